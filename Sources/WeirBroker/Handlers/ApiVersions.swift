import WeirModel
import WeirProtocol

/// ApiVersions (key 18), versions 0–4: what this broker understands.
///
/// The answer to an unknown version is error 35 in the form of v0, with the whole list, from which the client learns which
/// version to use (KIP-511). v3+ carries the client's name and version. Keys from 20,000 on are Weir's own and told only to a
/// client whose software name is `weir`.
struct ApiVersionsHandler: APIHandler {
    typealias Request = ApiVersionsRequest
    static let versions: ClosedRange<Int16> = 0...4

    /// The first of Weir's own keys.
    static let privateKeyMin: Int16 = 20_000

    private let everyones: [ApiVersionsResponse.ApiVersion]
    private let weirs: [ApiVersionsResponse.ApiVersion]

    /// - Parameter supported: The ranges of all other handlers.
    init(supported: [(key: APIKey, versions: ClosedRange<Int16>)]) {
        weirs = (supported + [(.apiVersions, Self.versions)]).sorted { $0.key < $1.key }.map { key, versions in
            var entry = ApiVersionsResponse.ApiVersion()
            entry.apiKey = key.rawValue
            entry.minVersion = versions.lowerBound
            entry.maxVersion = versions.upperBound
            return entry
        }
        everyones = weirs.filter { $0.apiKey < Self.privateKeyMin }
    }

    func handle(_ request: ApiVersionsRequest, _ call: Call<ApiVersionsResponse>) {
        var response = ApiVersionsResponse()
        if call.context.apiVersion >= 3 {
            guard Self.isValid(request.clientSoftwareName), Self.isValid(request.clientSoftwareVersion) else {
                response.errorCode = ErrorCode.invalidRequest.rawValue
                return call.answer(response)
            }
            call.context.connection.introduced(
                as: ClientSoftware(name: request.clientSoftwareName, version: request.clientSoftwareVersion))
        }
        response.apiKeys = request.clientSoftwareName == "weir" ? weirs : everyones
        call.answer(response)
    }

    func refuseVersion(_ call: Call<ApiVersionsResponse>) {
        var response = ApiVersionsResponse()
        response.errorCode = ErrorCode.unsupportedVersion.rawValue
        response.apiKeys = everyones
        call.answer(response, version: 0)
    }

    /// Kafka's `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
    static func isValid(_ text: String) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, let last = text.utf8.last, isAlphanumeric(first), isAlphanumeric(last)
        else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }
}
