/// The APIs of the group coordinator.
enum GroupHandlers {
    static func register(in table: inout HandlerTable, groups: GroupCoordinator, authorizer: any Authorizer) {
        table.register(OffsetCommitHandler(groups: groups, authorizer: authorizer))
        table.register(OffsetFetchHandler(groups: groups, authorizer: authorizer))
        table.register(FindCoordinatorHandler(groups: groups, authorizer: authorizer))
        table.register(JoinGroupHandler(groups: groups, authorizer: authorizer))
        table.register(HeartbeatHandler(groups: groups, authorizer: authorizer))
        table.register(LeaveGroupHandler(groups: groups, authorizer: authorizer))
        table.register(SyncGroupHandler(groups: groups, authorizer: authorizer))
        table.register(DescribeGroupsHandler(groups: groups, authorizer: authorizer))
        table.register(ListGroupsHandler(groups: groups, authorizer: authorizer))
        table.register(DeleteGroupsHandler(groups: groups, authorizer: authorizer))
        table.register(OffsetDeleteHandler(groups: groups, authorizer: authorizer))
    }
}
