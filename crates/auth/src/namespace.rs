//! Which namespace a connection belongs to.

use model::NamespaceName;

/// The first candidate that a namespace owns. The candidates come in their order of precedence:
/// the endpoint in the connection string, the TLS server name, the listener's namespace. Unowned
/// names are skipped, so a connection string that still names Azure works.
///
/// `owns` looks up a name in the configured `hosts`, then [`first_label`] among the namespaces'
/// names; this function gives it names in lower case and without a trailing dot.
pub fn resolve_namespace<'a>(
    candidates: impl IntoIterator<Item = Option<&'a str>>,
    owns: impl Fn(&str) -> Option<NamespaceName>,
) -> Option<NamespaceName> {
    candidates.into_iter().flatten().find_map(|name| {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() { None } else { owns(&name) }
    })
}

/// The label that names the namespace in `dev.servicebus.windows.net`; none for an IP address,
/// whose first number is no name.
#[must_use]
pub fn first_label(host: &str) -> Option<&str> {
    let label = host.split('.').next().unwrap_or(host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (!is_address && !label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker with the namespaces `dev` (hosts: hub.example) and `prod`.
    fn owner(name: &str) -> Option<NamespaceName> {
        if name == "hub.example" {
            return Some(NamespaceName::from("dev"));
        }
        let label = first_label(name)?;
        ["dev", "prod"]
            .into_iter()
            .find(|namespace| *namespace == label)
            .map(NamespaceName::from)
    }

    #[test]
    fn the_first_owned_name_decides() {
        let cases = [
            (
                [Some("prod.example"), Some("hub.example"), Some("dev")],
                Some("prod"),
            ),
            (
                [Some("x.servicebus.windows.net"), Some("hub.example"), None],
                Some("dev"),
            ),
            (
                [
                    Some("x.servicebus.windows.net"),
                    Some("localhost"),
                    Some("prod"),
                ],
                Some("prod"),
            ),
            ([Some("DEV.Example."), None, Some("prod")], Some("dev")),
            ([None, None, Some("prod")], Some("prod")),
            ([Some(""), Some("10.0.0.1"), None], None),
            ([Some("other.example"), None, None], None),
        ];
        for (candidates, expected) in cases {
            let namespace = resolve_namespace(candidates, owner);
            assert_eq!(
                namespace.as_ref().map(NamespaceName::as_str),
                expected,
                "{candidates:?}"
            );
        }
    }

    #[test]
    fn an_address_has_no_label() {
        assert_eq!(first_label("10.1.2.3"), None);
        assert_eq!(first_label("::1"), None);
        assert_eq!(first_label("dev"), Some("dev"));
    }
}
