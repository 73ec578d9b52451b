import WeirModel
import WeirProtocol
import WeirRegistry

/// InitProducerId (key 22), versions 0–5: a number for an idempotent producer.
///
/// Without a transactional id the answer is always a new number with epoch 0, also when v3+ names an old one: such producers
/// count their epoch up by themselves (KIP-360). A transactional id gets UNSUPPORTED_VERSION, which clients report as fatal:
/// there are no transactions yet, and their APIs are not advertised.
struct InitProducerIDHandler: APIHandler {
    typealias Request = InitProducerIDRequest
    static let versions: ClosedRange<Int16> = 0...5

    let broker: Broker

    func handle(_ request: InitProducerIDRequest, _ call: Call<InitProducerIDResponse>) {
        if let id = request.transactionalID {
            let allowed = broker.authorizer.allows(call.context.principal, .write, on: .transactionalID(id))
            return refuse(call, allowed ? .unsupportedVersion : .transactionalIDAuthorizationFailed)
        }
        guard broker.authorizer.allows(call.context.principal, .idempotentWrite, on: .cluster) else {
            return refuse(call, .clusterAuthorizationFailed)
        }
        if let id = broker.producerIDs.take() { return grant(call, id) }
        Task {
            do throws(RegistryError) {
                grant(call, try await broker.producerIDs.next())
            } catch {
                refuse(call, .coordinatorLoadInProgress)
            }
        }
    }

    private func grant(_ call: Call<InitProducerIDResponse>, _ id: ProducerID) {
        var response = InitProducerIDResponse()
        response.producerID = id.rawValue
        response.producerEpoch = 0
        call.answer(response)
    }

    private func refuse(_ call: Call<InitProducerIDResponse>, _ code: ErrorCode) {
        var response = InitProducerIDResponse()
        response.errorCode = code.rawValue
        response.producerEpoch = -1
        call.answer(response)
    }
}
