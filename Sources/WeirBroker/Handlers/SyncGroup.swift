import NIOCore
import WeirCoordination
import WeirModel
import WeirProtocol

/// SyncGroup (key 14), versions 0–5: a member gets its assignment, once the leader has brought it and it is stored.
///
/// v3 adds static members, v5 the protocol's type and name, which must be the group's (INCONSISTENT_GROUP_PROTOCOL).
struct SyncGroupHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...5
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: SyncGroupRequest, _ call: Call<SyncGroupResponse>) {
        guard authorizer.allows(call.context.principal, .read, on: .group(request.groupID)) else {
            return call.answer(Self.response(.refused(.groupAuthorizationFailed)))
        }
        var assignments: [String: [UInt8]] = [:]
        for assignment in request.assignments {
            assignments[assignment.memberID] = Array(assignment.assignment.readableBytesView)
        }
        let event = SyncEvent(
            memberID: request.memberID, instanceID: request.groupInstanceID, generation: request.generationID,
            protocolType: request.protocolType, protocolName: request.protocolName, assignments: assignments)
        groups.syncGroup(request.groupID, event) { call.answer(Self.response($0)) }
    }

    private static func response(_ outcome: SyncOutcome) -> SyncGroupResponse {
        var response = SyncGroupResponse()
        switch outcome {
        case .assigned(let assignment, let protocolType, let protocolName):
            response.protocolType = protocolType
            response.protocolName = protocolName
            response.assignment = ByteBuffer(bytes: assignment)
        case .refused(let code):
            response.errorCode = code.rawValue
        }
        return response
    }
}
