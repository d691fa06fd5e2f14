//! `serve`: the service, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, say};
use crate::app::{App, StartError};
use crate::config::Config;
use crate::http::{self, connections};
use base::clock::Clock;
use base::trace;
use learning::files::FilesError;

/// Run the service
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mentor-gateway serve --addr 0.0.0.0:8600 --public-url https://gateway.example \\\n    --database-url postgres://gateway@db/gateway\n\nCtrl-C or SIGTERM stops taking requests and waits for those under way. SIGHUP changes nothing."
)]
pub(super) struct Serve {}

impl Serve {
    pub(super) async fn run(self, config: Config) -> Result<(), Failure> {
        // From here on: a start may take a while.
        let _hang_ups = signal(SignalKind::hangup());
        config.make_data_dir()?;
        let listener = bind(config.addr).await?;
        let app = App::start(config, Clock::default()).await?;
        app.offer_own_servers().await?;
        look_at_files(&app).await?;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            database = app.db.kind(),
            data_dir = %app.config.data_dir.display(),
            "mentor-gateway starts"
        );
        say(format_args!(
            "listening on http://{}",
            listener.local_addr()?
        ));
        serve(app, listener).await
    }
}

/// A bucket that is not ours to write to ends the start; one that does not answer may do so later.
async fn look_at_files(app: &App) -> Result<(), StartError> {
    match app.files.check().await {
        Err(error @ FilesError::Store(_)) if app.config.bucket.is_some() => {
            tracing::warn!(error = %Failure::from(StartError::from(error)), "files cannot be kept or read for now");
            Ok(())
        }
        checked => Ok(checked?),
    }
}

pub(super) async fn bind(addr: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(addr).await.map_err(|error| {
        Failure::new(format!("cannot listen on {addr}: {error}"))
            .with_hint("choose another address with --addr")
    })
}

/// Serves until a signal, then drains: open streams are told to end, requests under way may finish.
pub(super) async fn serve(app: Arc<App>, listener: TcpListener) -> Result<(), Failure> {
    let router = http::router(app.clone());
    if let Some(addr) = app.config.metrics_addr {
        let listener = bind(addr).await?;
        tracing::info!("metrics on http://{}/metrics", listener.local_addr()?);
        let (router, stop) = (http::metrics::router(app.clone()), app.tasks.stop.clone());
        app.tasks
            .spawn(connections::serve(listener, router, Vec::new(), stop));
    }
    let trusted = app.config.trust_proxy.clone();
    let cut_off = async {
        asked_to_stop().await;
        tracing::info!("stopping: waiting for open requests");
        app.tasks.stop.cancel();
        tokio::time::sleep(app.config.drain).await;
    };
    tokio::select! {
        () = connections::serve(listener, router, trusted, app.tasks.stop.clone()) => {}
        () = cut_off => tracing::warn!("requests were still open at the end of the drain"),
    }
    app.stop().await;
    trace::write_lines();
    Ok(())
}

async fn asked_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(error) => {
                tracing::error!(%error, "SIGTERM cannot be caught");
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
        () = hang_ups() => {}
    }
}

/// Goes on when a terminal is closed, or whoever rotates logs or reloads services asks for it: there is nothing that is
/// read again. Once this was begun SIGHUP ends the process no more.
async fn hang_ups() {
    match signal(SignalKind::hangup()) {
        Ok(mut signal) => {
            while signal.recv().await.is_some() {
                tracing::info!("SIGHUP ignored: settings are read only at the start");
            }
        }
        Err(error) => tracing::error!(%error, "SIGHUP cannot be caught"),
    }
    std::future::pending().await
}
