import WeirModel
import WeirProtocol

/// Heartbeat (key 12), versions 0–4: a member says that it lives, and hears of a rebalance (REBALANCE_IN_PROGRESS).
///
/// v3 adds static members.
struct HeartbeatHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...4
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: HeartbeatRequest, _ call: Call<HeartbeatResponse>) {
        var response = HeartbeatResponse()
        let code: ErrorCode
        if authorizer.allows(call.context.principal, .read, on: .group(request.groupID)) {
            code = groups.heartbeat(
                request.groupID, memberID: request.memberID, instanceID: request.groupInstanceID,
                generation: request.generationID)
        } else {
            code = .groupAuthorizationFailed
        }
        response.errorCode = code.rawValue
        call.answer(response)
    }
}
