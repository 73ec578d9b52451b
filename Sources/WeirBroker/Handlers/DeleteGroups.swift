import WeirModel
import WeirProtocol

/// DeleteGroups (key 42), versions 0–2: groups without members go, and their offsets with them.
///
/// A group with members is NON_EMPTY_GROUP, one that does not exist GROUP_ID_NOT_FOUND. Answered once the deletions are
/// durable.
struct DeleteGroupsHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...2
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: DeleteGroupsRequest, _ call: Call<DeleteGroupsResponse>) {
        let names = request.groupsNames
        let outcomes = Gathering(count: names.count, ErrorCode.none) { outcomes in
            var response = DeleteGroupsResponse()
            response.results = zip(names, outcomes).map { name, outcome in
                var result = DeleteGroupsResponse.DeletableGroupResult()
                result.groupID = name
                result.errorCode = outcome.rawValue
                return result
            }
            call.answer(response)
        }
        for (index, name) in names.enumerated() {
            guard authorizer.allows(call.context.principal, .delete, on: .group(name)) else {
                outcomes.set(index, .groupAuthorizationFailed)
                continue
            }
            groups.deleteGroup(name) { outcomes.set(index, $0) }
        }
    }
}
