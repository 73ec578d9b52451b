// A client on librdkafka that loads a broker or times it. Prints JSON on one line.
//
//   rdkafka_bench produce BROKER TOPIC COUNT SIZE [KEY=VALUE]...   as fast as it goes; extra settings are librdkafka's
//   rdkafka_bench spread BROKER TOPIC COUNT SIZE                   over all partitions
//   rdkafka_bench consume BROKER TOPIC COUNT [KEY=VALUE]...        partition 0 from its beginning
//   rdkafka_bench ack BROKER TOPIC COUNT SIZE [KEY=VALUE]...       one record at a time: time to its acknowledgement
//   rdkafka_bench through BROKER TOPIC COUNT SIZE [KEY=VALUE]...   one at a time: time to a consumer that waits for it
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t delivered, failed;
static volatile int is_acked;

static double now_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void die(const char *what) {
    fprintf(stderr, "rdkafka_bench: %s\n", what);
    exit(1);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client, (void)opaque;
    if (message->err) {
        if (failed++ == 0) fprintf(stderr, "rdkafka_bench: %s\n", rd_kafka_err2str(message->err));
    } else {
        delivered++;
    }
    is_acked = 1;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
    char problem[512];
    if (rd_kafka_conf_set(conf, key, value, problem, sizeof problem) != RD_KAFKA_CONF_OK) die(problem);
}

static rd_kafka_t *make(rd_kafka_type_t type, const char *broker, int count, char **settings) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", broker);
    if (type == RD_KAFKA_PRODUCER) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        set(conf, "queue.buffering.max.messages", "1000000");
        set(conf, "queue.buffering.max.kbytes", "262144");
    } else {
        set(conf, "group.id", "bench");
        set(conf, "enable.auto.commit", "false");
        set(conf, "fetch.wait.max.ms", "100");
    }
    for (int index = 0; index < count; index++) {
        char *separator = strchr(settings[index], '=');
        if (!separator) die("settings are KEY=VALUE");
        *separator = 0;
        // Settings for the other kind of client are passed over: `through` takes both.
        rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, settings[index], separator + 1, NULL, 0);
        *separator = '=';
        if (result != RD_KAFKA_CONF_OK) die(settings[index]);
    }
    char problem[512];
    rd_kafka_t *client = rd_kafka_new(type, conf, problem, sizeof problem);
    if (!client) die(problem);
    return client;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void report_latency(const char *what, double *times, int count) {
    qsort(times, count, sizeof(double), compare);
    printf("{\"bench\":\"%s\",\"count\":%d,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", what, count,
           times[count / 2], times[count * 9 / 10], times[count * 99 / 100], times[count - 1]);
}

static int32_t target = 0;

static void enqueue(rd_kafka_topic_t *topic, rd_kafka_t *client, char *payload, size_t size) {
    while (rd_kafka_produce(topic, target, 0, payload, size, NULL, 0, NULL) == -1) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(client, 10);
    }
}

/// Text that does not compress to nothing, in case compression is switched on.
static char *make_payload(size_t size) {
    char *payload = malloc(size + 1);
    uint32_t state = 1;
    for (size_t index = 0; index < size; index++) {
        state = state * 1664525 + 1013904223;
        payload[index] = 'a' + (state >> 24) % 26;
    }
    return payload;
}

static void produce(const char *broker, const char *name, int64_t count, size_t size, int extra, char **settings) {
    rd_kafka_t *client = make(RD_KAFKA_PRODUCER, broker, extra, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    char *payload = make_payload(size);
    // The connection is up before the clock starts.
    enqueue(topic, client, payload, size);
    while (delivered + failed < 1) rd_kafka_poll(client, 100);
    double start = now_seconds();
    for (int64_t index = 1; index < count; index++) {
        enqueue(topic, client, payload, size);
        if (index % 1024 == 0) rd_kafka_poll(client, 0);
    }
    while (delivered + failed < count) rd_kafka_poll(client, 100);
    double wall = now_seconds() - start;
    printf("{\"bench\":\"produce\",\"count\":%lld,\"failed\":%lld,\"bytes\":%.0f,\"wall_s\":%.3f,\"per_s\":%.0f}\n",
           (long long)delivered, (long long)failed, (double)count * size, wall, count / wall);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    if (failed) exit(1);
}

static void consume(const char *broker, const char *name, int64_t count, int extra, char **settings) {
    rd_kafka_t *client = make(RD_KAFKA_CONSUMER, broker, extra, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    double start = now_seconds();
    if (rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) == -1) die("consume_start");
    int64_t seen = 0;
    double bytes = 0;
    rd_kafka_message_t *messages[1000];
    while (seen < count) {
        ssize_t got = rd_kafka_consume_batch(topic, 0, 1000, messages, 1000);
        for (ssize_t index = 0; index < got; index++) {
            if (!messages[index]->err) {
                seen++;
                bytes += messages[index]->len;
            } else if (messages[index]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                die(rd_kafka_message_errstr(messages[index]));
            }
            rd_kafka_message_destroy(messages[index]);
        }
    }
    double wall = now_seconds() - start;
    printf("{\"bench\":\"consume\",\"count\":%lld,\"bytes\":%.0f,\"wall_s\":%.3f,\"per_s\":%.0f}\n", (long long)seen, bytes,
           wall, seen / wall);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
}

static void acknowledge(const char *broker, const char *name, int count, size_t size, int extra, char **settings) {
    rd_kafka_t *client = make(RD_KAFKA_PRODUCER, broker, extra, settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    char *payload = make_payload(size);
    int warmup = count / 10 + 10;
    double *times = malloc(sizeof(double) * count);
    for (int index = -warmup; index < count; index++) {
        is_acked = 0;
        double start = now_seconds();
        enqueue(topic, client, payload, size);
        while (!is_acked) rd_kafka_poll(client, 100);
        if (index >= 0) times[index] = (now_seconds() - start) * 1e6;
    }
    report_latency("ack", times, count);
    if (failed) exit(1);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
}

static void *drain(void *client) {
    for (;;) rd_kafka_poll(client, 1000);
    return NULL;
}

static void through(const char *broker, const char *name, int count, size_t size, int extra, char **settings) {
    rd_kafka_t *producer = make(RD_KAFKA_PRODUCER, broker, extra, settings);
    rd_kafka_t *consumer = make(RD_KAFKA_CONSUMER, broker, 0, NULL);
    rd_kafka_topic_t *to = rd_kafka_topic_new(producer, name, NULL), *from = rd_kafka_topic_new(consumer, name, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, drain, producer);
    char *payload = make_payload(size);
    if (rd_kafka_consume_start(from, 0, RD_KAFKA_OFFSET_END) == -1) die("consume_start");
    // The consumer waits at the end once it gets a record; what came before is passed over.
    int is_ready = 0;
    for (int tries = 0; !is_ready && tries < 200; tries++) {
        enqueue(to, producer, payload, size);
        rd_kafka_message_t *message = rd_kafka_consume(from, 0, 100);
        if (message) {
            is_ready = !message->err;
            rd_kafka_message_destroy(message);
        }
    }
    if (!is_ready) die("the consumer gets nothing");
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consume(from, 0, 300);
        if (!message) break;
        rd_kafka_message_destroy(message);
    }
    int warmup = count / 10 + 10;
    double *times = malloc(sizeof(double) * count);
    for (int index = -warmup; index < count; index++) {
        double start = now_seconds();
        enqueue(to, producer, payload, size);
        for (;;) {
            rd_kafka_message_t *message = rd_kafka_consume(from, 0, 1000);
            if (!message) die("a record did not arrive within a second");
            int got = !message->err;
            rd_kafka_message_destroy(message);
            if (got) break;
        }
        if (index >= 0) times[index] = (now_seconds() - start) * 1e6;
        usleep(2000);
    }
    report_latency("through", times, count);
    _exit((fflush(stdout), 0));
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: rdkafka_bench produce|spread|ack|through BROKER TOPIC COUNT SIZE [KEY=VALUE]...\n"
                        "       rdkafka_bench consume BROKER TOPIC COUNT [KEY=VALUE]...\n");
        return 2;
    }
    const char *mode = arguments[1], *broker = arguments[2], *topic = arguments[3];
    int64_t number = strtoll(arguments[4], NULL, 10);
    if (number <= 0) return 2;
    if (!strcmp(mode, "consume")) {
        consume(broker, topic, number, count - 5, arguments + 5);
        return 0;
    }
    if (count < 6) return 2;
    size_t size = strtoull(arguments[5], NULL, 10);
    if (!strcmp(mode, "spread")) {
        target = RD_KAFKA_PARTITION_UA;
        char linger[] = "linger.ms=5", sticky[] = "sticky.partitioning.linger.ms=0";
        char *settings[] = {linger, sticky};
        produce(broker, topic, number, size, 2, settings);
    } else if (!strcmp(mode, "produce")) produce(broker, topic, number, size, count - 6, arguments + 6);
    else if (!strcmp(mode, "ack")) acknowledge(broker, topic, (int)number, size, count - 6, arguments + 6);
    else if (!strcmp(mode, "through")) through(broker, topic, (int)number, size, count - 6, arguments + 6);
    else return 2;
    return 0;
}
