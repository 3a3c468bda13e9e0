//! User input stays text: a hundred strings that would run as markup, wherever the pages show text.

use serde_json::{Value, json};

use crate::World;

/// Returns strings that call `hit()` if a page runs them, by as many known attacks as possible.
fn corpus() -> Vec<String> {
    let tags = ["img", "svg", "video", "audio", "body", "iframe", "object", "details", "input", "marquee"];
    let events = ["onerror", "onload", "onfocus", "ontoggle", "onstart", "onmouseover", "onanimationstart"];
    let attributes = tags
        .iter()
        .zip(events.iter().cycle())
        .map(|(tag, event)| format!("<{tag} src=x autofocus open {event}=hit()>"));
    let breakouts = [
        "\">",
        "'>",
        "</title>",
        "</textarea>",
        "</style>",
        "</script>",
        "-->",
        "]]>",
        "</td></tr></table>",
        "</dialog>",
    ];
    let broken_out = breakouts.iter().map(|breakout| format!("{breakout}<script>hit()</script>"));
    let broken_images = breakouts.iter().map(|breakout| format!("{breakout}<img src=x onerror=hit()>"));
    let cases = [
        "<ScRiPt>hit()</sCrIpT>",
        "<script\n>hit()</script>",
        "<script/x>hit()</script>",
        "<<script>hit()//<</script>",
        "<script src=data:,hit()></script>",
    ];
    let urls = [
        "javascript:hit()",
        "JaVaScRiPt:hit()",
        "java\tscript:hit()",
        "\u{1}javascript:hit()",
        "data:text/html,<script>hit()</script>",
        "vbscript:hit()",
        "//evil.invalid/x.js",
    ];
    let links =
        urls.iter().map(|url| format!("<a href=\"{url}\">x</a>")).chain(urls.iter().map(|url| (*url).to_owned()));
    let quotes = [
        "\" onfocus=hit() autofocus x=\"",
        "' onfocus=hit() autofocus x='",
        "` onfocus=hit() autofocus x=`",
        "\" style=\"animation:x\" onanimationstart=\"hit()",
        "';hit();//",
        "\";hit();//",
        "`;hit();//",
        "${hit()}",
        "{{hit()}}",
        "{{constructor.constructor('hit()')()}}",
        "<%= hit() %>",
        "#{hit()}",
        "{mail}",
        "{project}",
        "\\u003cscript\\u003ehit()\\u003c/script\\u003e",
        "&lt;script&gt;hit()&lt;/script&gt;",
        "&#60;script&#62;hit()&#60;/script&#62;",
        "%3Cscript%3Ehit()%3C/script%3E",
        "+ADw-script+AD4-hit()+ADw-/script+AD4-",
        "<img src=`x`onerror=hit()>",
        "<svg><script>hit()</script></svg>",
        "<svg><animate onbegin=hit() attributeName=x></svg>",
        "<math><mtext><img src=x onerror=hit()>",
        "<template><img src=x onerror=hit()></template>",
        "<noscript><img src=x onerror=hit()></noscript>",
        "<form action=javascript:hit()><input type=submit>",
        "<base href=//evil.invalid>",
        "<meta http-equiv=refresh content=\"0;url=javascript:hit()\">",
        "<link rel=stylesheet href=data:,*{}>",
        "<style>@import 'javascript:hit()'</style>",
        "<xss id=hit tabindex=1 onfocus=hit()>",
        "<iframe srcdoc=\"<script>parent.hit()</script>\">",
        "<object data=javascript:hit()>",
        "<embed src=javascript:hit()>",
        "<button popovertarget=x onclick=hit()>x</button>",
        "<x onclick=hit()>x",
        "<input name=body><input name=location>",
        "<img name=getElementById>",
        "__proto__",
        "constructor",
        "toString",
        "\u{202e}<script>hit()</script>",
        "\u{0}<script>hit()</script>",
        "<!--<img src=\"--><img src=x onerror=hit()>\">",
        "<![CDATA[<img src=x onerror=hit()>]]>",
        "<?xml-stylesheet href=javascript:hit()?>",
        "😀<script>hit()</script>",
        "=HYPERLINK(\"javascript:hit()\")",
        "<script>hit()</script>@example.com",
        "\"<script>hit()</script>\"@example.com",
        "a@b<script>hit()</script>",
    ];
    let corpus: Vec<String> = attributes
        .chain(broken_out)
        .chain(broken_images)
        .chain(cases.map(str::to_owned))
        .chain(links)
        .chain(quotes.map(str::to_owned))
        .collect();
    assert!(corpus.len() >= 100, "{}", corpus.len());
    corpus
}

const WATCH: &str = "window.hits = 0; window.hit = () => { window.hits += 1; };
    window.alert = window.confirm = window.prompt = window.hit;";

/// The elements that only the page itself may create.
const ELEMENTS: &str = "[...document.querySelectorAll(
    'script, img, iframe, object, embed, base, meta, link, style, audio, a, marquee, math, template, x, xss',
)].map((node) => node.tagName).sort().join()";

impl World {
    async fn nothing_ran(&self, elements_before: &Value, text: &str) {
        assert_eq!(self.browser.eval("hits").await, 0, "{text}");
        assert_eq!(&self.browser.eval(ELEMENTS).await, elements_before, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_records_are_shown_as_the_text_they_are() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.before_each_page(WATCH).await;
    world.open_admin().await;
    let elements = browser.eval(ELEMENTS).await;

    let corpus = corpus();
    let record = |text: &String| {
        let mut record = crate::admin::record(text, 0, text, "failed", 4000);
        for name in ["error", "output", "jobId", "requestedAt", "uploadedAt"] {
            record[name] = text.as_str().into();
        }
        record
    };
    world.put(corpus.iter().map(record)).await;
    browser.click("#refresh").await;
    browser.until(&format!("counts.children[0].textContent === '{}All'", corpus.len())).await;

    let mut seen = Vec::new();
    loop {
        let cells = "[...rows.children].map((row) => [...row.cells].slice(1, 4).map((cell) => cell.textContent))";
        for row in browser.eval(cells).await.as_array().unwrap() {
            let mail = row[1].as_str().unwrap();
            assert_eq!(row[0], format!("Failed{mail}"));
            seen.push(mail.to_owned());
        }
        for index in 0..browser.eval("rows.children.length").await.as_u64().unwrap() {
            let script = "const mail = rows.children[arguments[0]].cells[2].textContent;
                rows.children[arguments[0]].querySelector('[data-act=false]').click();
                const shown = [...facts.querySelectorAll('dd')].filter((value) => value.textContent === mail).length;
                dialog.close();
                return [mail, shown];";
            let dialog = browser.eval_with(script, [index.into()]).await;
            assert!(dialog[1].as_u64().unwrap() >= 5, "{dialog}");
        }
        world.nothing_ran(&elements, "in the list").await;
        if browser.eval("next.disabled").await == true {
            break;
        }
        let range = browser.text("#range").await;
        browser.click("#next").await;
        browser.until(&format!("range.textContent !== '{range}'")).await;
    }
    seen.sort();
    let mut expected = corpus;
    expected.sort();
    assert_eq!(seen, expected);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_links_file_names_and_answers_are_shown_as_the_text_they_are() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.before_each_page(WATCH).await;
    world.open_upload().await;
    let elements = browser.eval(ELEMENTS).await;
    let choose = "const data = new DataTransfer();
        data.items.add(new File(['x'], arguments[0], { type: 'video/webm' }));
        dispatchEvent(new DragEvent('drop', { cancelable: true, dataTransfer: data }));
        return facts.textContent;";
    let refuse =
        "window.fetch = () => Promise.resolve(Response.json({ Code: 'x', Message: arguments[0] }, { status: 400 }));
        mail.value = 'ana@example.com', project.value = 'Alba', step.value = '0';
        send.click();";
    for text in corpus() {
        let query = json!({ "project": text, "step": text, "mail": text });
        let script = "location.assign('?' + new URLSearchParams(arguments[0])); return null;";
        browser.eval_with("window.isOld = true; return null;", []).await;
        browser.eval_with(script, [query]).await;
        browser.until("!window.isOld && window.stage?.dataset.now === 'choose'").await;
        // A field keeps no line breaks, and the page trims the mail.
        let kept = text.replace(['\n', '\r'], "");
        assert_eq!(browser.eval("mail.value").await.as_str().unwrap().trim(), kept.trim());
        assert_eq!(browser.eval("project.value").await, kept);
        let facts = browser.eval_with(choose, [text.as_str().into()]).await;
        assert!(facts.as_str().unwrap().ends_with("1 byte"), "{facts}");
        browser.eval_with(refuse, [text.as_str().into()]).await;
        world.upload_shows("failed").await;
        assert_eq!(browser.eval("failure.textContent").await, text);
        world.nothing_ran(&elements, &text).await;
    }
    world.end().await;
}
