// SPDX-License-Identifier: Apache-2.0
//! `lade login` and `lade logout`

use std::io::{IsTerminal, Read, Write};

use clap::Args;

use super::options::Registries;
use super::output;
use crate::bail;
use crate::error::{Context, Result};
use crate::reference::DOCKER_HUB;
use crate::source::registry;
use crate::sys::Silent;

const PASSWORD_MAX: u64 = 64 << 10;

#[derive(Args)]
pub(super) struct Login {
    /// The registry [default: Docker Hub]
    #[arg(value_name = "HOST", default_value = DOCKER_HUB)]
    host: String,
    #[arg(long, short, value_name = "USER")]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    registries: Registries,
}

#[derive(Args)]
pub(super) struct Logout {
    /// The registry [default: Docker Hub]
    #[arg(value_name = "HOST", default_value = DOCKER_HUB)]
    host: String,
    #[command(flatten)]
    registries: Registries,
}

impl Login {
    pub(super) fn run(&self) -> Result<()> {
        let mut settings = self.registries.settings()?;
        let (user, password) = match settings.credentials.take() {
            Some(pair) => pair,
            None => (self.user()?, self.password()?),
        };
        let place = registry::login(&self.host, &user, &password, &settings)?;
        output::note(&format!("logged in to {}; the credentials are in {place}", self.host));
        Ok(())
    }

    fn user(&self) -> Result<String> {
        match &self.username {
            Some(user) => Ok(user.clone()),
            None if std::io::stdin().is_terminal() && !self.password_stdin => ask("Username: "),
            None => bail!("--username is needed"),
        }
    }

    fn password(&self) -> Result<String> {
        if self.password_stdin {
            let mut password = String::new();
            let stdin = std::io::stdin().lock();
            stdin
                .take(PASSWORD_MAX)
                .read_to_string(&mut password)
                .context(|| "unable to read the password")?;
            return Ok(password.trim_end_matches(['\r', '\n']).to_owned());
        }
        if !std::io::stdin().is_terminal() {
            bail!("standard input is no terminal: use --password-stdin");
        }
        let _silent = Silent::begin().context(|| "unable to hide the password")?;
        let password = ask("Password: ");
        output::note("");
        password
    }
}

fn ask(prompt: &str) -> Result<String> {
    let mut err = std::io::stderr().lock();
    err.write_all(prompt.as_bytes()).and_then(|()| err.flush()).context(|| "unable to ask")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context(|| "unable to read an answer")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

impl Logout {
    pub(super) fn run(&self) -> Result<()> {
        let place = registry::logout(&self.host, &self.registries.settings()?)?;
        output::note(&format!("removed the credentials for {} from {place}", self.host));
        Ok(())
    }
}
