/// Who may have a password examined, and who is next.
///
/// An examination is slow on purpose, so its places are few. Nobody may take them all, with right
/// passwords or with wrong ones: neither who tries one account, nor who asks from one address, nor many
/// strangers together. Browsers that an account knows do not wait for strangers.
package struct PasswordQueue: Sendable {
    /// Who asks.
    package enum Asker: Sendable, Hashable {
        /// A browser that the account knows.
        case known(Identifier)
        /// Any other, by what throttles go by: an address, of IPv6 a /64.
        case stranger(network: String)

        package var isKnown: Bool {
            if case .known = self { true } else { false }
        }
    }

    /// What is asked for: an examination for an account, by its name in the one spelling.
    package struct Claim: Sendable, Hashable {
        package let account: String
        package let asker: Asker

        package init(account: String, asker: Asker) {
            self.account = account
            self.asker = asker
        }
    }

    /// A place in the queue, from when it was admitted until it is given up.
    package struct Place: Sendable, Hashable {
        package let claim: Claim
        fileprivate let number: UInt64
    }

    private struct Waiter {
        let place: Place
        let round: Int

        var claim: Claim { place.claim }
    }

    /// Why there is no place.
    package enum Refusal: Error, Sendable, Equatable {
        /// As many are there from the same asker, or for the same account, as may be.
        case tooManyAlike
        /// As many are there as can be examined while somebody waits for them.
        case full
    }

    private let threads: Int
    private var admitted = 0
    private var places: [Place] = []
    /// Those that wait for a thread, as they came.
    private var waiting: [Waiter] = []
    private var running = 0
    private var isKnownsTurn = true

    package init(threads: Int) {
        self.threads = threads
    }

    /// Admits a claim.
    package mutating func enter(_ claim: Claim) throws(Refusal) -> Place {
        let alike = places.map(\.claim).filter { $0.asker.isKnown == claim.asker.isKnown }
        guard alike.count(where: { $0 == claim }) < Limits.passwordsOfOneClaim,
            alike.count(where: { $0.account == claim.account }) < Limits.passwordsOfOneAccount,
            alike.count(where: { $0.asker == claim.asker }) < Limits.passwordsOfOneAsker
        else { throw .tooManyAlike }
        // Strangers cannot take all places from known browsers, nor known browsers from strangers.
        guard places.count < Limits.waitingPasswords,
            alike.count < Limits.waitingPasswords - Limits.reservedPasswords
        else { throw .full }
        admitted += 1
        let place = Place(claim: claim, number: UInt64(admitted))
        places.append(place)
        return place
    }

    /// Gives a place up.
    package mutating func leave(_ place: Place) {
        places.removeAll { $0 == place }
    }

    /// Waits for a thread, once all that comes before the examination is done.
    ///
    /// Those that wait are in rounds, and a round has one of each account and of each asker. So whoever
    /// asks for many waits for all of these, and somebody who comes later waits for one of them.
    package mutating func wait(_ place: Place) {
        let claim = place.claim
        let lane = waiting.filter { $0.claim.asker.isKnown == claim.asker.isKnown }
        let last = lane.filter {
            $0.claim.account == claim.account || $0.claim.asker == claim.asker
        }.map(\.round).max()
        let round = last.map { $0 + 1 } ?? lane.map(\.round).min() ?? 0
        waiting.append(Waiter(place: place, round: round))
    }

    /// Whose examination begins now; nil while every thread has one, or nobody waits. Where known
    /// browsers and strangers both wait, they take turns.
    package mutating func start() -> Place? {
        guard running < threads else { return nil }
        let lane = waiting.indices.filter { waiting[$0].claim.asker.isKnown == isKnownsTurn }
        let candidates = lane.isEmpty ? Array(waiting.indices) : lane
        guard let index = candidates.min(by: { waiting[$0].round < waiting[$1].round })
        else { return nil }
        let place = waiting.remove(at: index).place
        running += 1
        isKnownsTurn = !place.claim.asker.isKnown
        return place
    }

    /// An examination is over.
    package mutating func finish() {
        running -= 1
    }
}
