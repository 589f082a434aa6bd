import Hummingbird
import Synchronization

/// The languages that an app asked for with a request (`ui_locales`), once they have been read.
///
/// A class, since a request's context is copied on its way inwards, and an error is made into a
/// page on the way out.
package final class RequestLanguage: Sendable {
    private let asked = Mutex<String?>(nil)

    package init() {}

    var uiLocales: String? {
        get { asked.withLock { $0 } }
        set { asked.withLock { $0 = newValue } }
    }

    /// The words for whoever reads the answer.
    func words(for request: Request) -> Words {
        Language.choose(
            uiLocales: uiLocales, acceptLanguage: request.headers[.acceptLanguage]
        ).words
    }
}
