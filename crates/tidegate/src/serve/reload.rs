//! SIGHUP: what can change live is changed, what cannot is named.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Context;
use server::Certificates;
use tracing::{error, info, warn};

use super::certificate_files;
use crate::{
    data_directory::DataDirectory,
    lower,
    secrets::Secrets,
    settings::{Layers, Settings, Sources, fixed_changes},
};

/// What a reload needs of the start.
pub(super) struct Reloader {
    pub(super) sources: Sources,
    /// In force.
    pub(super) layers: Layers,
    pub(super) directory: DataDirectory,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) hub: Arc<hub::Hub>,
}

impl Reloader {
    /// Reads everything again. On any mistake the old settings stay in force.
    pub(super) async fn reload(&mut self) {
        match sd_notify::NotifyState::monotonic_usec_now() {
            Ok(now) => super::notify(&[sd_notify::NotifyState::Reloading, now]),
            Err(error) => warn!(%error, "cannot tell the service manager of the reload"),
        }
        match self.try_reload().await {
            Ok(()) => info!("reloaded the configuration"),
            Err(error) => error!("the configuration stays as it was: {error:#}"),
        }
        super::notify(&[sd_notify::NotifyState::Ready]);
    }

    async fn try_reload(&mut self) -> anyhow::Result<()> {
        let layers = Layers::read(&self.sources)?;
        let settings = Settings::from_layers(&layers)?;
        let secrets = Secrets::ensure(self.directory.path(), &settings)?;
        let lowered = lower::hub_settings(&settings, &secrets)?;
        if let Some(certificates) = &self.certificates {
            let now = server::clock::now().wall;
            certificate_files(&settings, &self.directory, now)?;
            certificates
                .reload()
                .context("load the server certificate")?;
        }
        let by_hub = self.hub.reload(lowered).await?;
        let mut fixed: BTreeSet<String> = fixed_changes(&self.layers, &layers);
        fixed.extend(by_hub);
        for key in fixed {
            warn!(key, "changed, but takes effect at the next start only");
        }
        self.layers = layers;
        Ok(())
    }
}
