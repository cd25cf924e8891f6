//! Where a request comes from, also behind proxies.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_FOR;
use ipnet::IpNet;

/// Whose `X-Forwarded-For` is believed: anybody can send one.
#[derive(Debug)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// `None` when one of them is neither an address nor a network.
    pub(crate) fn parse(texts: &[String]) -> Option<Self> {
        let network =
            |text: &String| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
        texts.iter().map(network).collect::<Option<_>>().map(Self)
    }

    fn contain(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// The last address on the way here that is not a trusted proxy's. Each proxy appends the address
    /// that it was asked from, so what is before that one is the client's own word.
    pub(crate) fn client_of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let mut client = request.peer_addr()?.ip().to_canonical();
        let mut values: Vec<_> = request.headers().get_all(X_FORWARDED_FOR).collect();
        while self.contain(client)
            && let Some(value) = values.pop()
        {
            for address in value.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(address) = parse(address) else { return Some(client) };
                client = address;
                if !self.contain(client) {
                    return Some(client);
                }
            }
        }
        Some(client)
    }
}

/// An address; some proxies add the port.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim();
    let ip = text.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip())).ok();
    ip.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client_of(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<_> = trusted.iter().map(|&text| text.to_owned()).collect();
        let mut request = TestRequest::get().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        for value in forwarded {
            request = request.append_header((X_FORWARDED_FOR, *value));
        }
        let client = TrustedProxies::parse(&trusted).unwrap().client_of(&request.to_http_request());
        client.unwrap().to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
        let proxies = ["10.0.0.0/8", "::1"];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.2.3.4"], "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9", "10.2.3.4"], "203.0.113.9"),
            ("::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.2.3.4"], "10.2.3.4"),
            ("10.0.0.1", &["10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            assert_eq!(client_of(&proxies, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
        assert_eq!(client_of(&[], "10.0.0.1", &["203.0.113.9"]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "proxy.example", "10.0.0"] {
            assert!(TrustedProxies::parse(&[bad.to_owned()]).is_none(), "{bad}");
        }
    }
}
