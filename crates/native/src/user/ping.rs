//! `ping`: whether the server answers, and what time it has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::clock::Iso;

pub(super) struct Ping;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The current time of the server.
    timestamp: Iso,
}

impl Tool for Ping {
    const NAME: &'static str = "ping";
    const TITLE: &'static str = "Ping";
    const DESCRIPTION: &'static str = "Health check for the User MCP server.";
    const SCOPES: &'static [&'static str] = &[];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, _: Args) -> Result<Output, Refusal> {
        Ok(Output {
            timestamp: Iso(call.now),
        })
    }
}
