//! A command that prints a token.

use std::time::Duration;

use crate::auth::credential::TokenAnswer;
use crate::auth::source::text;
use crate::model::time::Now;
use crate::process;

/// The command.
#[derive(Debug)]
pub struct TokenCommand {
    pub(super) line: Vec<String>,
    pub(super) timeout: Duration,
}

impl TokenCommand {
    pub(super) fn program(&self) -> &str {
        self.line.first().map_or("", String::as_str)
    }

    pub(super) async fn run(&self, now: Now) -> Result<TokenAnswer, String> {
        let output = process::output("token command", &self.line, self.timeout).await?;
        text::parse(&output, now).map_err(|why| format!("what the token command {} prints {why}", self.program()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{Mono, Wall};

    #[tokio::test]
    async fn what_it_prints_is_the_token() {
        let now = Now { wall: Wall::from_unix_seconds(0), mono: Mono::from_start(Duration::ZERO) };
        let run = |word: &str| {
            let line = vec!["/bin/echo".to_owned(), word.to_owned()];
            TokenCommand { line, timeout: Duration::from_secs(10) }
        };
        assert_eq!(run("abc").run(now).await.unwrap().access_token.expose(), "abc");
        let error = run("hunter2 hunter3").run(now).await.unwrap_err();
        assert_eq!(error, "what the token command /bin/echo prints is neither one word nor JSON");
    }
}
