import WeirModel
import WeirProtocol

/// DescribeCluster (key 60), versions 0–2: the brokers, the controller and the cluster's id. v1 asks for brokers or
/// controllers; there are no controllers to talk to (115). v2 may ask for fenced brokers.
struct DescribeClusterHandler: APIHandler {
    typealias Request = DescribeClusterRequest
    static let versions: ClosedRange<Int16> = 0...2

    let broker: Broker

    func handle(_ request: DescribeClusterRequest, _ call: Call<DescribeClusterResponse>) {
        var response = DescribeClusterResponse()
        response.endpointType = request.endpointType
        guard request.endpointType == 1 else {
            let isController = request.endpointType == 2
            response.errorCode =
                (isController ? ErrorCode.mismatchedEndpointType : .unsupportedEndpointType).rawValue
            response.errorMessage =
                isController
                ? "this is a broker, not a controller" : "the endpoint type \(request.endpointType) is unknown"
            return call.answer(response)
        }
        let view = broker.metadata.current
        response.clusterID = view.clusterID
        response.controllerID = view.controllerID.rawValue
        response.brokers = view.endpoints(listener: call.context.listener).map { endpoint in
            var entry = DescribeClusterResponse.DescribeClusterBroker()
            entry.brokerID = endpoint.id.rawValue
            entry.host = endpoint.host
            entry.port = endpoint.port
            entry.rack = endpoint.rack
            return entry
        }
        if request.includeClusterAuthorizedOperations {
            response.clusterAuthorizedOperations =
                broker.authorizer.allowedOperations(call.context.principal, on: .cluster)
        }
        call.answer(response)
    }
}
