import Foundation
import NIOCore
import NIOPosix
import Serving
import Web

extension ListenAddress {
    /// The URL under which this machine reaches it.
    var url: String {
        "http://" + (host.isEmpty ? "127.0.0.1:\(port)" : description)
    }

    /// Refuses an address where nothing can listen, and says what to do.
    func requireFree(_ setting: any AnySetting) async throws {
        if let problem = await problemBinding() {
            throw CommandFailure(
                "cannot listen on \(self): \(problem); choose another with \(setting.flag) or "
                    + setting.name)
        }
    }

    /// Why nothing can listen there; nil where something can.
    private func problemBinding() async -> String? {
        do {
            let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: host.isEmpty ? "0.0.0.0" : host, port: port).get()
            try await channel.close()
            return nil
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            return "the port is in use"
        } catch {
            return "\(error)"
        }
    }
}
