import NIOCore
import WeirCoordination
import WeirModel
import WeirProtocol

/// JoinGroup (key 11), versions 0–9: a member enters its group, or comes back for a rebalance. The answer may take as long as
/// the rebalance.
///
/// v1 adds the rebalance timeout (before, the session timeout stands for it), v4 answers a dynamic member without an id with
/// MEMBER_ID_REQUIRED and an id (KIP-394), v5 adds static members (KIP-345), v7 the protocol type in the answer, v8 the
/// reason, v9 lets a returning static leader skip the assignment (KIP-814).
struct JoinGroupHandler: APIHandler {
    static let versions: ClosedRange<Int16> = 0...9
    let groups: GroupCoordinator
    let authorizer: any Authorizer

    func handle(_ request: JoinGroupRequest, _ call: Call<JoinGroupResponse>) {
        let context = call.context
        guard authorizer.allows(context.principal, .read, on: .group(request.groupID)) else {
            return call.answer(
                Self.response(.refused(.groupAuthorizationFailed, memberID: request.memberID), context.apiVersion))
        }
        let event = JoinEvent(
            memberID: request.memberID, instanceID: request.groupInstanceID, freshMemberID: "",
            clientID: context.clientID ?? "", clientHost: "/" + context.clientAddress,
            sessionTimeoutMs: request.sessionTimeoutMs,
            rebalanceTimeoutMs: context.apiVersion == 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
            protocolType: request.protocolType,
            protocols: request.protocols.map {
                GroupProtocol(name: $0.name, metadata: Array($0.metadata.readableBytesView))
            },
            requiresKnownMemberID: context.apiVersion >= 4, supportsSkippingAssignment: context.apiVersion >= 9)
        groups.joinGroup(request.groupID, event) { outcome in
            call.answer(Self.response(outcome, context.apiVersion))
        }
    }

    private static func response(_ outcome: JoinOutcome, _ version: Int16) -> JoinGroupResponse {
        var response = JoinGroupResponse()
        switch outcome {
        case .joined(let group):
            response.generationID = group.generation
            response.protocolType = group.protocolType
            response.protocolName = group.protocolName
            response.leader = group.leader
            response.memberID = group.memberID
            response.skipAssignment = group.skipAssignment
            response.members = group.members.map { member in
                var answer = JoinGroupResponse.JoinGroupResponseMember()
                answer.memberID = member.memberID
                answer.groupInstanceID = member.instanceID
                answer.metadata = ByteBuffer(bytes: member.metadata)
                return answer
            }
        case .refused(let code, let memberID):
            response.errorCode = code.rawValue
            response.memberID = memberID
            // Since v7 "no protocol" is null; before, it is empty.
            response.protocolName = version >= 7 ? nil : ""
        }
        return response
    }
}
