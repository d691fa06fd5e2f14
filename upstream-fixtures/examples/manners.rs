//! Serves the table of manners until it is interrupted: `manners PORT`; the table itself is at `/table`.

use upstream_fixtures::manners::Manners;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let manners = Manners::start(port.unwrap_or(0)).await?.forgetting();
    eprintln!("{}", manners.table_url());
    std::future::pending().await
}
