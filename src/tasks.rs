//! Background work: tracked, so that shutdown waits for it, and told when to stop.
//! The only place that starts a task which outlives its caller; knows nothing of what the tasks do.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The background work of a gateway. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Cancelled when the gateway begins to stop.
    pub stop: CancellationToken,
    late: CancellationToken,
}

impl Tasks {
    /// Starts a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Cancelled when every request has ended: for what must outlive them, such as the audit writer.
    pub fn late(&self) -> CancellationToken {
        self.late.clone()
    }

    /// Tells every task to stop and waits until the last one has.
    pub async fn finish(&self) {
        self.stop.cancel();
        self.late.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
