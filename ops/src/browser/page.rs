//! What a test does on a page, and what it sees of it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_smithy_types::base64;
use serde_json::{Value, json};

use tokio::time::{sleep, timeout};

use super::Browser;

/// The longest that a page may take to load.
const LOAD: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// How the page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// On a desk, in light colours.
    Light,
    /// On a desk, in dark colours.
    Dark,
    /// On a phone, in light colours.
    Phone,
}

impl Look {
    /// Every look.
    pub const ALL: [Look; 3] = [Look::Dark, Look::Phone, Look::Light];

    /// The name in a file's name.
    pub fn name(self) -> &'static str {
        match self {
            Look::Light => "light",
            Look::Dark => "dark",
            Look::Phone => "phone",
        }
    }
}

impl Browser {
    /// Opens an address.
    ///
    /// # Errors
    ///
    /// If it does not load.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.call("url", &json!({"url": url})).await.map(drop)
    }

    /// Follows a link of the page that is open; the next call may come before the new page.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn follow(&self, url: &str) -> Result<()> {
        let script =
            json!({"script": "setTimeout(url => { location.href = url; }, 0, arguments[0])", "args": [url]});
        self.call("execute/sync", &script).await.map(drop)
    }

    /// The text of the page, as a person sees it.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn text(&self) -> Result<String> {
        let text = self.script("return document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks the element that a CSS selector finds, and waits for the page that this loads.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.element(selector).await?;
        // A form's answer may take longer than the driver's own wait: the new page lacks this mark.
        self.script("window.isLeft = true").await?;
        self.call(&format!("element/{element}/click"), &json!({})).await?;
        let loaded = async {
            let script = "return document.readyState === 'complete' && !window.isLeft";
            while self.script(script).await.ok() != Some(json!(true)) {
                sleep(POLL).await;
            }
        };
        timeout(LOAD, loaded).await.with_context(|| format!("{selector} loads no page"))
    }

    /// Types into the field that a CSS selector finds.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn write(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector).await?;
        self.call(&format!("element/{element}/value"), &json!({"text": text})).await.map(drop)
    }

    /// Forgets every cookie.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn forget(&self) -> Result<()> {
        let request = self.http.delete(format!("{}/cookie", self.session));
        Browser::value("cookie", request).await.map(drop)
    }

    /// Changes the size and the colours.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn look(&self, look: Look) -> Result<()> {
        let scheme = if look == Look::Dark { "dark" } else { "light" };
        let (width, height) = if look == Look::Phone { (390, 844) } else { (1_280, 800) };
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )
        .await?;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": look == Look::Phone,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Changes the size of the window, on a desk.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn size(&self, width: u64, height: u64) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// The height of the whole page.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn height(&self) -> Result<u64> {
        let height = self.script("return document.documentElement.scrollHeight").await?;
        height.as_u64().context("a height")
    }

    /// Writes a picture of the window.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub async fn picture(&self, path: &Path) -> Result<()> {
        let picture = self.read("screenshot").await?;
        let bytes = base64::decode(picture.as_str().context("a picture")?).context("a picture")?;
        std::fs::write(path, bytes).with_context(|| path.display().to_string())
    }

    /// What axe-core finds on the page that keeps people from using it: serious and critical violations, one line each.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub async fn obstacles(&self) -> Result<Vec<String>> {
        let script = format!(
            "{}; const done = arguments[arguments.length - 1]; axe.run().then(r => done(r.violations), e => done(String(e)));",
            self.axe
        );
        let found = self.call("execute/async", &json!({"script": script, "args": []})).await?;
        let found = found.as_array().with_context(|| format!("axe-core: {found}"))?;
        let is_serious =
            |found: &&Value| ["serious", "critical"].iter().any(|impact| found["impact"] == *impact);
        let line = |found: &Value| format!("{}: {}", found["id"], found["nodes"][0]["html"]);
        Ok(found.iter().filter(is_serious).map(line).collect())
    }

    /// Whether the page is wider than the window, so that a person must scroll sideways.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn is_too_wide(&self) -> Result<bool> {
        // A phone makes a page that is too wide smaller, until it fits.
        let script =
            "return document.documentElement.scrollWidth > window.innerWidth || visualViewport.scale < 0.99";
        Ok(self.script(script).await? == json!(true))
    }

    /// What the browser complained about since the last call: violations of the page's policy among them.
    ///
    /// # Errors
    ///
    /// If the browser does not answer.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.call("se/log", &json!({"type": "browser"})).await?;
        let lines = log.as_array().context("a log")?;
        // Others are hints of no consequence.
        let lines = lines.iter().filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        Ok(lines.map(|line| line["message"].to_string()).collect())
    }

    async fn script(&self, script: &str) -> Result<Value> {
        self.call("execute/sync", &json!({"script": script, "args": []})).await
    }

    async fn devtools(&self, cmd: &str, params: Value) -> Result<Value> {
        self.call("goog/cdp/execute", &json!({"cmd": cmd, "params": params})).await
    }

    async fn element(&self, selector: &str) -> Result<String> {
        let found = self.call("element", &json!({"using": "css selector", "value": selector})).await;
        let found = found.with_context(|| selector.to_owned())?;
        let id = found.as_object().and_then(|ids| ids.values().next()).and_then(Value::as_str);
        Ok(id.context("an element")?.to_owned())
    }
}
