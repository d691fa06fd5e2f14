//! The signature under a delivery: HMAC-SHA256 over the time of the attempt and the body, once for each secret.
//! The only file of the module that sees a secret in the clear.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use base::clock::UnixMs;
use base::secret::Secret;

/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-academy-signature";

/// `t=<Unix seconds>,v1=<hex>`, with a `v1` for each secret. What is signed is `<Unix seconds>.<body>`.
pub fn signature(secrets: &[Secret], at: UnixMs, body: &str) -> String {
    let seconds = at.0.div_euclid(1000);
    let mut text = format!("t={seconds}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .expect("a key of any length will do");
        mac.update(seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body.as_bytes());
        text.push_str(",v1=");
        for byte in mac.finalize().into_bytes() {
            // Writing to a text does not fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_can_compute_the_signature_with_any_tool() {
        // printf '1704672000.{"a":1}' | openssl dgst -sha256 -hmac whsec_one
        let [one, two] = ["whsec_one", "whsec_two"].map(Secret::new);
        let at = UnixMs(1_704_672_000_999);
        let single = signature(std::slice::from_ref(&one), at, r#"{"a":1}"#);
        assert_eq!(
            single,
            "t=1704672000,v1=6135f9187b1ee631957265fcd8a49b6c6b00e3fd4f7bd2f31c2c8b01292a96f0"
        );
        assert!(signature(&[one, two], at, r#"{"a":1}"#).starts_with(&format!("{single},v1=")));
    }
}
