import WeirCoordination
import WeirModel
import WeirProtocol

/// ListGroups (key 16), versions 0–5: the groups that this broker coordinates.
///
/// v4 adds states and a filter by them (KIP-518), v5 types and theirs (KIP-848); filters do not mind the case. Who may not
/// describe the cluster sees the groups that it may describe.
struct ListGroupsHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...5
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    /// All groups here follow the classic protocol.
    private static let type = "classic"

    func handle(_ request: ListGroupsRequest, _ call: Call<ListGroupsResponse>) {
        let principal = call.context.principal
        let states = Set(request.statesFilter.map { $0.lowercased() })
        let types = Set(request.typesFilter.map { $0.lowercased() })
        let seesAll = authorizer.allows(principal, .describe, on: .cluster)
        let (error, listed) = groups.listGroups()
        var response = ListGroupsResponse()
        response.errorCode = error.rawValue
        response.groups = listed.compactMap { group in
            guard types.isEmpty || types.contains(Self.type),
                states.isEmpty || states.contains(group.state.rawValue.lowercased()),
                seesAll || authorizer.allows(principal, .describe, on: .group(group.groupID))
            else { return nil }
            var answer = ListGroupsResponse.ListedGroup()
            answer.groupID = group.groupID
            answer.protocolType = group.protocolType
            answer.groupState = group.state.rawValue
            answer.groupType = Self.type
            return answer
        }
        call.answer(response)
    }
}
