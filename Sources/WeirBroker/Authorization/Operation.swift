/// What a principal wants to do, with Kafka's codes (`AclOperation`).
public enum Operation: Int8, Sendable, CaseIterable {
    case read = 3
    case write = 4
    case create = 5
    case delete = 6
    case alter = 7
    case describe = 8
    case clusterAction = 9
    case describeConfigs = 10
    case alterConfigs = 11
    case idempotentWrite = 12
}
