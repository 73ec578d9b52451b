import NIOCore
import WeirCoordination
import WeirModel
import WeirProtocol

/// DescribeGroups (key 15), versions 0–6: state, protocol and members of groups.
///
/// v3 adds authorised operations (INT32_MIN unless asked for), v4 the instance ids. A group that does not exist is `Dead`
/// without an error before v6, and GROUP_ID_NOT_FOUND from then on (KIP-1043).
struct DescribeGroupsHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...6
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: DescribeGroupsRequest, _ call: Call<DescribeGroupsResponse>) {
        var response = DescribeGroupsResponse()
        response.groups = request.groups.map { groupID in
            var group = describe(groupID, call.context)
            group.groupID = groupID
            if request.includeAuthorizedOperations && group.errorCode == 0 {
                group.authorizedOperations = authorizer.allowedOperations(
                    call.context.principal, on: .group(groupID))
            }
            return group
        }
        call.answer(response)
    }

    private func describe(_ groupID: String, _ context: RequestContext) -> DescribeGroupsResponse.DescribedGroup {
        var group = DescribeGroupsResponse.DescribedGroup()
        guard authorizer.allows(context.principal, .describe, on: .group(groupID)) else {
            group.errorCode = ErrorCode.groupAuthorizationFailed.rawValue
            return group
        }
        switch groups.describeGroup(groupID) {
        case .failure(let error):
            group.errorCode = error.code.rawValue
        case .success(nil):
            group.groupState = ClassicGroup.State.dead.rawValue
            if context.apiVersion >= 6 {
                group.errorCode = ErrorCode.groupIDNotFound.rawValue
                group.errorMessage = "Group \(groupID) not found."
            }
        case .success(let description?):
            group.groupState = description.state.rawValue
            group.protocolType = description.protocolType
            group.protocolData = description.protocolName
            group.members = description.members.map { member in
                var answer = DescribeGroupsResponse.DescribedGroupMember()
                answer.memberID = member.memberID
                answer.groupInstanceID = member.instanceID
                answer.clientID = member.clientID
                answer.clientHost = member.clientHost
                answer.memberMetadata = ByteBuffer(bytes: member.metadata)
                answer.memberAssignment = ByteBuffer(bytes: member.assignment)
                return answer
            }
        }
        return group
    }
}
