import WeirCoordination
import WeirModel
import WeirProtocol

/// LeaveGroup (key 13), versions 0–5: members go, so that the others need not wait for their sessions to end.
///
/// Up to v2 one member names itself; from v3 on it is a list with an outcome for each, and an administrator may name static
/// members by their instance id alone. v5 adds the reason.
struct LeaveGroupHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...5
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: LeaveGroupRequest, _ call: Call<LeaveGroupResponse>) {
        var response = LeaveGroupResponse()
        guard authorizer.allows(call.context.principal, .read, on: .group(request.groupID)) else {
            response.errorCode = ErrorCode.groupAuthorizationFailed.rawValue
            return call.answer(response)
        }
        let isBatch = call.context.apiVersion >= 3
        let leaving =
            isBatch
            ? request.members.map { LeavingMember(memberID: $0.memberID, instanceID: $0.groupInstanceID) }
            : [LeavingMember(memberID: request.memberID)]
        switch groups.leaveGroup(request.groupID, leaving) {
        case .failure(let error):
            response.errorCode = error.code.rawValue
        case .success(let outcomes) where isBatch:
            response.members = zip(leaving, outcomes).map { member, outcome in
                var answer = LeaveGroupResponse.MemberResponse()
                answer.memberID = member.memberID
                answer.groupInstanceID = member.instanceID
                answer.errorCode = outcome.rawValue
                return answer
            }
        case .success(let outcomes):
            response.errorCode = (outcomes.first ?? .none).rawValue
        }
        call.answer(response)
    }
}
