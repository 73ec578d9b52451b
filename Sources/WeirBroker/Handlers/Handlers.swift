/// All APIs that this broker answers.
public enum Handlers {
    /// The one list: what stands here is dispatched, advertised and documented.
    public static func all(_ broker: Broker) -> HandlerTable {
        var table = HandlerTable()
        table.register(ProduceHandler(broker: broker))
        table.register(FetchHandler(broker: broker))
        table.register(ListOffsetsHandler(broker: broker))
        table.register(MetadataHandler(broker: broker))
        table.register(CreateTopicsHandler(broker: broker))
        table.register(DeleteTopicsHandler(broker: broker))
        table.register(DeleteRecordsHandler(broker: broker))
        table.register(InitProducerIDHandler(broker: broker))
        table.register(OffsetForLeaderEpochHandler(broker: broker))
        table.register(DescribeConfigsHandler(broker: broker))
        table.register(AlterConfigsHandler(broker: broker))
        table.register(DescribeLogDirsHandler(broker: broker))
        table.register(CreatePartitionsHandler(broker: broker))
        table.register(IncrementalAlterConfigsHandler(broker: broker))
        table.register(DescribeClusterHandler(broker: broker))
        table.register(DescribeTopicPartitionsHandler(broker: broker))
        GroupHandlers.register(in: &table, groups: broker.groups, authorizer: broker.authorizer)
        // Knows all the others.
        table.register(ApiVersionsHandler(supported: table.supported))
        return table
    }
}

extension Dispatcher {
    /// The door to a broker.
    public convenience init(broker: Broker) { self.init(handlers: Handlers.all(broker)) }
}
