/// Decides who may do what. Asked by every handler, from any thread; it must not block.
public protocol Authorizer: Sendable {
    func allows(_ principal: Principal, _ operation: Operation, on resource: Resource) -> Bool
}

extension Authorizer {
    /// The bit field of "authorised operations" in Metadata, DescribeCluster and DescribeGroups: bit n stands for the
    /// operation with code n.
    public func allowedOperations(_ principal: Principal, on resource: Resource) -> Int32 {
        var bits: Int32 = 0
        for operation in resource.operations where allows(principal, operation, on: resource) {
            bits |= 1 << Int32(operation.rawValue)
        }
        return bits
    }
}

/// The authoriser of a broker without access control: everyone may do everything.
public struct AllowAll: Authorizer {
    public init() {}
    public func allows(_ principal: Principal, _ operation: Operation, on resource: Resource) -> Bool { true }
}
