//! Threads for large requests: what takes long there delays other large requests, and nobody else.

use std::{future::Future, io, num::NonZeroUsize, panic::resume_unwind, pin::Pin, thread};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinSet,
};

/// Threads with a runtime of their own, which end with this.
#[derive(Debug, Default)]
pub(super) struct LargeThreads(Option<Runtime>);

/// Where large requests are carried out. Without threads of their own it is the runtime around.
#[derive(Clone, Debug, Default)]
pub(crate) struct LargeWork(Option<Handle>);

impl LargeThreads {
    /// Half as many as there are cores: the others are for everybody else.
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let runtime = Builder::new_multi_thread()
            .worker_threads((cores / 2).max(1))
            .thread_name("large-requests")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(super) fn work(&self) -> LargeWork {
        LargeWork(self.0.as_ref().map(|runtime| runtime.handle().clone()))
    }
}

impl Drop for LargeThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Whatever still runs is not waited for.
            runtime.shutdown_background();
        }
    }
}

impl LargeWork {
    /// Carries the work out there, from the first time that its result is asked for. Dropped, it ends
    /// the work where that next waits. None: the threads have gone.
    pub(crate) fn carry_out<T: Send + 'static>(
        &self,
        work: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> impl Future<Output = Option<T>> + Send + use<T> {
        let handle = self.0.clone();
        async move {
            let mut tasks = JoinSet::new();
            match handle {
                Some(handle) => tasks.spawn_on(work, &handle),
                None => tasks.spawn(work),
            };
            match tasks.join_next().await? {
                Ok(output) => Some(output),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => None,
                },
            }
        }
    }
}
