//! The command line on a gateway's database and data directory, while the gateway runs.

use std::process::{Command, Output, Stdio};

use super::app::Gateway;

/// The binary, not yet started.
pub fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let config = &gateway.app.config;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mentor-gateway"));
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(&config.data_dir);
    command
        .env("GATEWAY_DATABASE_URL", &config.database_url)
        .env("GATEWAY_LOG", "info");
    command.stdin(Stdio::null());
    command
}

/// What a command came to.
async fn run(gateway: &Gateway, arguments: &[&str]) -> Output {
    let mut command = command(gateway, arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// The standard output of a command that must succeed.
pub async fn said(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = run(gateway, arguments).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The standard error of a command that must fail with this code.
pub async fn complained(gateway: &Gateway, arguments: &[&str], code: i32) -> String {
    let output = run(gateway, arguments).await;
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}
