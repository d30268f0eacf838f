//! What probes and scrapers get.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ask(address, &request).await
}

#[tokio::test]
async fn probes_see_health_readiness_and_metrics() {
    let readiness = Readiness::default();
    let metrics = Arc::new(Metrics::new("1", "c").unwrap());
    let bound = bind("127.0.0.1:0").unwrap();
    let address = bound.address();
    let running = bound.serve(metrics, readiness.clone()).unwrap();

    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503 "));
    readiness.set(true);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200 "));
    readiness.set_disk(DiskState::Full);
    let full = get(address, "/readyz").await;
    assert!(
        full.starts_with("HTTP/1.1 200 ") && full.contains("the disk is full"),
        "{full}"
    );
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
    readiness.set_disk(DiskState::Failed);
    for page in ["/healthz", "/readyz"] {
        let failed = get(address, page).await;
        assert!(failed.starts_with("HTTP/1.1 503 "), "{failed}");
        assert!(failed.contains("the disk failed"), "{failed}");
    }
    readiness.set_disk(DiskState::Sound);
    let scrape = get(address, "/metrics").await;
    assert!(scrape.contains("text/plain; version=0.0.4"), "{scrape}");
    assert!(scrape.contains("tidegate_build_info{"), "{scrape}");
    assert!(
        get(address, "/etc/passwd")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    let post =
        "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(ask(address, post).await.starts_with("HTTP/1.1 405 "));
    running.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_is_no_http_or_too_much_of_it_is_turned_away() {
    let metrics = Arc::new(Metrics::new("1", "c").unwrap());
    let bound = bind("127.0.0.1:0").unwrap();
    let address = bound.address();
    let running = bound.serve(metrics, Readiness::default()).unwrap();
    assert!(
        !ask(address, "\0\0\0\u{12}garbage\r\n\r\n")
            .await
            .contains(" 200 ")
    );
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: x\r\n",
        "x".repeat(2 * HEAD_BYTES_MAX)
    );
    assert!(!ask(address, &long).await.contains(" 200 "));
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
    running.shutdown().await;
}

#[tokio::test]
async fn a_scrape_that_waits_keeps_no_probe_waiting() {
    struct Held(Mutex<std::sync::mpsc::Receiver<()>>);
    impl crate::metrics::Source for Held {
        fn write(&self, _out: &mut crate::metrics::Exposition) {
            // Until the test lets go.
            self.0.lock().unwrap().recv().ok();
        }
    }
    let (hold, held) = std::sync::mpsc::sync_channel(0);
    let mut metrics = Metrics::new("1", "c").unwrap();
    metrics.add_source(Arc::new(Held(Mutex::new(held))));
    let bound = bind("127.0.0.1:0").unwrap();
    let address = bound.address();
    let readiness = Readiness::default();
    let running = bound.serve(Arc::new(metrics), readiness.clone()).unwrap();
    readiness.set(true);
    let scrape = tokio::spawn(async move { get(address, "/metrics").await });
    let mut held = TcpStream::connect(address).await.unwrap();
    held.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200 "));
    drop(hold);
    assert!(scrape.await.unwrap().starts_with("HTTP/1.1 200 "));
    running.shutdown().await;
}
