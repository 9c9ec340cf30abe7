//! The page at `/`: its files are part of the binary, so that it needs no folder, no build step and no internet.
//!
//! It is one document with style, scripts and icon inside, whose modules are [joined](join), since each further file
//! that a browser asks for takes it longer to show the first data. Nothing here holds data. Browsers ask whether it has
//! changed at each load, so that a new host never runs with an old page; and they are told to load nothing from
//! elsewhere, to run no script but these (by their digests), to send forms nowhere, to show the page in no frame, and
//! to let no text become markup.

mod join;

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// What browsers are told with every file, beside the [policy](Page::policy).
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A file of the page.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($content_type:ident $file:literal at $path:literal,)*) => {
        [$(Asset { path: $path, content_type: $content_type, content: include_str!(concat!("assets/", $file)) }),*]
    };
}

/// The files beside the modules.
const ASSETS: [Asset; 4] = assets![
    HTML "index.html" at "/",
    CSS "app.css" at "/page/app.css",
    SVG "icon.svg" at "/page/icon.svg",
    JAVASCRIPT "first.js" at "/page/first.js",
];

/// The modules. A test compares both lists with the folder.
const MODULES: [Asset; 24] = assets![
    JAVASCRIPT "api.js" at "/page/api.js",
    JAVASCRIPT "app.js" at "/page/app.js",
    JAVASCRIPT "charts.js" at "/page/charts.js",
    JAVASCRIPT "declared.js" at "/page/declared.js",
    JAVASCRIPT "dialogs.js" at "/page/dialogs.js",
    JAVASCRIPT "dom.js" at "/page/dom.js",
    JAVASCRIPT "flow.js" at "/page/flow.js",
    JAVASCRIPT "format.js" at "/page/format.js",
    JAVASCRIPT "job.js" at "/page/job.js",
    JAVASCRIPT "letters.js" at "/page/letters.js",
    JAVASCRIPT "live.js" at "/page/live.js",
    JAVASCRIPT "logs.js" at "/page/logs.js",
    JAVASCRIPT "overview.js" at "/page/overview.js",
    JAVASCRIPT "purge.js" at "/page/purge.js",
    JAVASCRIPT "records.js" at "/page/records.js",
    JAVASCRIPT "reload.js" at "/page/reload.js",
    JAVASCRIPT "seek.js" at "/page/seek.js",
    JAVASCRIPT "settings.js" at "/page/settings.js",
    JAVASCRIPT "shadow.js" at "/page/shadow.js",
    JAVASCRIPT "sse.js" at "/page/sse.js",
    JAVASCRIPT "store.js" at "/page/store.js",
    JAVASCRIPT "submit.js" at "/page/submit.js",
    JAVASCRIPT "values.js" at "/page/values.js",
    JAVASCRIPT "versions.js" at "/page/versions.js",
];

/// The modules as one, by the name of the first.
static SCRIPT: LazyLock<String> = LazyLock::new(|| join::join("app", &module));

fn module(name: &str) -> Option<&'static str> {
    let path = format!("/page/{name}.js");
    MODULES.iter().find(|asset| asset.path == path).map(|asset| asset.content)
}

/// The document, and what it is allowed.
struct Page {
    html: String,
    /// The content security policy.
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let [document, style, icon, first] = ASSETS.map(|asset| asset.content);
    let inline = [
        (r#"<script src="/page/first.js"></script>"#, "script", first),
        (r#"<link rel="stylesheet" href="/page/app.css">"#, "style", style),
        (r#"<script type="module" src="/page/app.js"></script>"#, r#"script type="module""#, SCRIPT.as_str()),
    ];
    let html = inline.iter().fold(document.to_owned(), |html, (link, tag, content)| {
        let end = tag.split(' ').next().unwrap_or(tag);
        html.replacen(link, &format!("<{tag}>{content}</{end}>"), 1)
    });
    let icon = icon.replacen("<svg", r#"<svg width="22" height="22" aria-hidden="true""#, 1);
    let html = html.replacen(r#"<img src="/page/icon.svg" alt="" width="22" height="22">"#, &icon, 1);
    let digest = |content: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(content)));
    let policy = format!(
        "default-src 'self'; script-src {} {}; style-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        digest(first),
        digest(&SCRIPT),
        digest(style)
    );
    Page { html, policy }
});

fn served() -> [Asset; 2] {
    let [document, _, icon, _] = ASSETS;
    [Asset { content: &PAGE.html, ..document }, icon]
}

/// `GET` and `HEAD` of `/` and of its icon. They are open to everybody: what they hold is in every copy of this
/// program.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    served().into_iter().fold(Router::new(), |router, asset| {
        // Of hexadecimal digits and quotes, so that it is a header's value.
        let tag = HeaderValue::try_from(etag(asset.content)).ok();
        router.route(asset.path, get(move |headers: HeaderMap| async move { answer(asset, tag, &headers) }))
    })
}

/// A strong tag, which names the content.
fn etag(content: &str) -> String {
    let digest = Sha256::digest(content);
    let mut tag = String::from("\"");
    for byte in digest.iter().take(16) {
        // Writing into a string can't fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// The file, or 304 where the browser has it.
fn answer(asset: Asset, tag: Option<HeaderValue>, headers: &HeaderMap) -> Response {
    let wanted = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let has_it = tag.as_ref().and_then(|tag| tag.to_str().ok()).is_some_and(|tag| {
        let weak = |one: &str| one.trim().trim_start_matches("W/") == tag;
        wanted.flat_map(|value| value.split(',')).any(weak)
    });
    let mut response = if has_it { StatusCode::NOT_MODIFIED.into_response() } else { asset.content.into_response() };
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.extend(HeaderValue::from_str(&PAGE.policy).map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    if !has_it {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Bytes that a browser loads at most, uncompressed.
    const MOST: usize = 150_000;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/assets")
    }

    fn files() -> impl Iterator<Item = Asset> {
        ASSETS.into_iter().chain(MODULES)
    }

    #[test]
    fn the_page_is_small() {
        let total: usize = served().iter().map(|asset| asset.content.len()).sum();
        assert!(total <= MOST, "the page has {total} bytes");
        for asset in files() {
            let lines = asset.content.lines().count();
            assert!(lines <= 500, "{} has {lines} lines", asset.path);
        }
    }

    #[test]
    fn every_file_of_the_folder_is_there() {
        let found: BTreeSet<String> = fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| if name == "index.html" { "/".to_owned() } else { format!("/page/{name}") })
            .collect();
        assert_eq!(files().map(|asset| asset.path.to_owned()).collect::<BTreeSet<_>>(), found);
        for asset in MODULES {
            let name = asset.path.trim_start_matches("/page/").trim_end_matches(".js");
            assert!(SCRIPT.contains(&format!("const ${name} = (() => {{\n")), "{name} is imported by none");
        }
    }

    #[test]
    fn modules_have_no_imports_and_exports_but_those_that_can_be_joined() {
        for asset in MODULES {
            for line in asset.content.lines() {
                assert!(join::import(line).is_some() || !line.starts_with("import"), "{}: {line}", asset.path);
                assert!(!line.contains("import(") && !line.starts_with("export default"), "{}: {line}", asset.path);
                assert!(!line.contains("*/") || line.ends_with("*/"), "{}: code after a comment: {line}", asset.path);
                assert!(!line.starts_with("export {") && !line.starts_with("export *"), "{}: {line}", asset.path);
            }
        }
        assert!(SCRIPT.lines().all(|line| !line.starts_with("import ") && !line.starts_with("export ")));
    }

    #[test]
    fn no_text_can_become_markup() {
        for asset in files() {
            for risk in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "//cdn"]
            {
                assert!(!asset.content.contains(risk), "{} has {risk}", asset.path);
            }
        }
        for inline in ["<style", "style=", "onclick=", "onload=", "javascript:"] {
            assert!(!ASSETS[0].content.contains(inline), "index.html has {inline}");
        }
    }

    #[test]
    fn scripts_and_style_are_inside_and_nothing_ends_them_early() {
        for (tag, count) in [("script", 2), ("style", 1)] {
            assert_eq!(PAGE.html.matches(&format!("<{tag}")).count(), count);
            assert_eq!(PAGE.html.matches(&format!("</{tag}")).count(), count);
        }
        for inside in [SCRIPT.as_str(), ASSETS[1].content, ASSETS[3].content] {
            assert!(PAGE.html.contains(inside) && !inside.contains("<!--"));
            let digest = BASE64.encode(Sha256::digest(inside));
            assert!(PAGE.policy.contains(&digest), "{digest} is not in {}", PAGE.policy);
        }
        assert_eq!(PAGE.html.matches("/page/").count(), 1, "nothing else is asked for but the tab's icon");
        HeaderValue::from_str(&PAGE.policy).unwrap();
    }

    #[test]
    fn a_browser_that_has_a_file_is_told_so() {
        let asset = ASSETS[0];
        let tag = HeaderValue::try_from(etag(asset.content)).unwrap();
        let ask = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|value| (header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap())));
            answer(asset, Some(tag.clone()), &headers)
        };
        let known = tag.to_str().unwrap();
        for (sent, status) in
            [(None, 200), (Some("\"other\""), 200), (Some(known), 304), (Some(&*format!("\"other\", W/{known}")), 304)]
        {
            let response = ask(sent);
            assert_eq!(response.status(), status, "{sent:?}");
            assert_eq!(response.headers()[header::ETAG], tag);
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
            assert_eq!(response.headers().get(header::CONTENT_TYPE).is_some(), status == 200);
        }
    }

    #[test]
    fn files_differ_in_their_tags() {
        let tags: BTreeSet<String> = served().iter().map(|asset| etag(asset.content)).collect();
        assert_eq!(tags.len(), served().len());
    }
}
