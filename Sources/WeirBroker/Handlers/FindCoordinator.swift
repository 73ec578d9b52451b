import WeirModel
import WeirProtocol

/// FindCoordinator (key 10), versions 0–6: which broker coordinates a group.
///
/// v1 adds the key type (0 group, 1 transaction, 2 share group), v4 asks for several keys with an error each (KIP-699).
/// The first question makes `__consumer_offsets`. Share groups are not served: they get INVALID_REQUEST with a message that
/// says so, as an unknown key type does in Kafka. Neither are transactions, but clients repeat this question on any error
/// until their time is up; so a transactional id is sent to a broker, whose InitProducerId then says it.
struct FindCoordinatorHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...6
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    private static let groupType: Int8 = 0
    private static let transactionType: Int8 = 1

    func handle(_ request: FindCoordinatorRequest, _ call: Call<FindCoordinatorResponse>) {
        let keys = call.context.apiVersion >= 4 ? request.coordinatorKeys : [request.key]
        let problems = keys.map { problem(with: $0, type: request.keyType, call.context) }
        // Nobody is asked about: do not make the topic for that.
        guard problems.contains(where: { $0 == nil }) else { return answer(keys, problems, call) }
        groups.host.prepareOffsetsTopic { code in
            let failure =
                code == .none
                ? nil : (ErrorCode.coordinatorNotAvailable, "the offsets topic is not ready: \(code.name)")
            answer(keys, problems.map { $0 ?? failure }, call)
        }
    }

    private func problem(
        with key: String, type: Int8, _ context: RequestContext
    ) -> (code: ErrorCode, message: String)? {
        switch type {
        case Self.groupType: break
        case Self.transactionType:
            guard authorizer.allows(context.principal, .describe, on: .transactionalID(key)) else {
                return (.transactionalIDAuthorizationFailed, "Not authorized to access transactional id \(key).")
            }
            return nil
        case 2: return (.invalidRequest, "This broker does not coordinate share groups.")
        default: return (.invalidRequest, "The coordinator type \(type) is unknown.")
        }
        if key.isEmpty { return (.invalidGroupID, "The group id is empty.") }
        guard authorizer.allows(context.principal, .describe, on: .group(key)) else {
            return (.groupAuthorizationFailed, "Not authorized to access group \(key).")
        }
        return nil
    }

    private func answer(
        _ keys: [String], _ problems: [(code: ErrorCode, message: String)?], _ call: Call<FindCoordinatorResponse>
    ) {
        let coordinators = zip(keys, problems).map { key, problem in
            find(key, problem, listener: call.context.listener)
        }
        var response = FindCoordinatorResponse()
        if call.context.apiVersion >= 4 {
            response.coordinators = coordinators
        } else if let coordinator = coordinators.first {
            response.errorCode = coordinator.errorCode
            response.errorMessage = coordinator.errorMessage
            response.nodeID = coordinator.nodeID
            response.host = coordinator.host
            response.port = coordinator.port
        }
        call.answer(response)
    }

    private func find(
        _ key: String, _ problem: (code: ErrorCode, message: String)?, listener: String
    ) -> FindCoordinatorResponse.Coordinator {
        var answer = FindCoordinatorResponse.Coordinator()
        answer.key = key
        guard problem == nil,
            let broker = groups.host.coordinator(of: groups.partition(of: key), listener: listener)
        else {
            answer.errorCode = (problem?.code ?? .coordinatorNotAvailable).rawValue
            answer.errorMessage = problem?.message ?? "The group's coordinator is not known now."
            answer.nodeID = -1
            answer.port = -1
            return answer
        }
        answer.nodeID = broker.nodeID.rawValue
        answer.host = broker.host
        answer.port = broker.port
        answer.errorMessage = nil
        return answer
    }
}
