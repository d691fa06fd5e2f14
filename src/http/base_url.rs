//! Under which URL a client reaches the gateway.

use http::HeaderMap;
use http::header::HOST;

use crate::app::App;

/// The operator's public URL, else the host that the client named.
pub(super) fn of(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.config.public_url {
        return url.clone();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| host.parse::<http::uri::Authority>().is_ok());
    match host {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", app.config.addr),
    }
}
