//! Which certificates the server and, as far as it can be known, its clients trust.
//!
//! 1. Only an authority's certificate makes a client valid, as for OpenSSL.
//! 2. The newest of several revocation lists counts.
//! 3. Falconer predicts which clients accept the server's certificate as OpenSSL and rustls decide.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::process::Command;

use falconer::net::{TlsFiles, tls};
use jiff::Timestamp;
use rcgen::{KeyPair, SerialNumber};
use support::certs::{self, Authority, Version1};
use support::site::{Site, VERSIONS};

/// A certificate in `root_certs` that is not of an authority signs no clients, as for OpenSSL.
#[tokio::test]
async fn a_trusted_certificate_of_no_authority_signs_no_clients() {
    let site = Site::new();
    let (leaf_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let params = certs::leaf("leaf", &[], Some(certs::CLIENT));
    let signed = params.signed_by(&leaf_key, &site.authority.issuer()).unwrap();
    let alone = params.self_signed(&leaf_key).unwrap();
    let by = |issuer: &rcgen::Issuer<'_, &KeyPair>, name: &[u8], signer: &KeyPair| {
        let v3 = certs::leaf("client", &[], Some(certs::CLIENT)).signed_by(&key, issuer).unwrap();
        [v3.der().to_vec(), Version1::new(name, &key).signed_by(signer)]
    };
    let leaf_issuer = rcgen::Issuer::from_params(&params, &leaf_key);
    let by_leaf = by(&leaf_issuer, &certs::common_name("leaf"), &leaf_key);
    let authority = &site.authority;
    let by_authority = by(&authority.issuer(), &authority.name(), &authority.key);
    for (roots, leaf, authority_in) in [
        (authority.pem.clone() + &signed.pem(), &signed, true),
        (authority.pem.clone() + &alone.pem(), &alone, true),
        (alone.pem(), &alone, false),
    ] {
        fs::write(site.files.root_certs.as_ref().unwrap(), roots).unwrap();
        let mut shown = vec![(leaf.der().to_vec(), &leaf_key, true)];
        shown.extend(by_leaf.iter().map(|client| (client.clone(), &key, false)));
        shown.extend(by_authority.iter().map(|client| (client.clone(), &key, authority_in)));
        for (at, (client, key, gets_in)) in shown.into_iter().enumerate() {
            fs::write(site.dir.path().join("shown.crt"), certs::pem(&client)).unwrap();
            let openssl = Command::new("openssl")
                .current_dir(site.dir.path())
                .args(["verify", "-purpose", "sslclient", "-CAfile", "ca.crt", "shown.crt"])
                .output()
                .unwrap();
            assert_eq!(openssl.status.success(), gets_in, "{at}: {openssl:?}");
            // Also with the leaf as an intermediate certificate.
            for chain in [vec![client.clone()], vec![client, leaf.der().to_vec()]] {
                for version in VERSIONS {
                    let refusal = site.refusal(&chain, key, version).await;
                    assert_eq!(refusal.is_none(), gets_in, "{at}: {refusal:?}");
                }
            }
        }
    }
}

/// rustls checks only one list for a name, so it must be the newest.
#[tokio::test]
async fn the_newest_of_several_lists_counts() {
    let key = KeyPair::generate().unwrap();
    let both = |authority: &Authority| {
        let mut params = certs::leaf("client", &[], Some(certs::CLIENT));
        params.serial_number = Some(SerialNumber::from(1));
        let v3 = params.signed_by(&key, &authority.issuer()).unwrap().der().to_vec();
        [v3, Version1::new(&authority.name(), &key).signed_by(&authority.key)]
    };
    // A list of the same day counts by its number.
    let (old, new, same_day) = ((2024, 1), (2025, 2), (2024, 256));
    for (lists, expected) in [
        ([(old, &[][..]), (new, &[1][..])], true),
        ([(new, &[1]), (old, &[])], true),
        ([(same_day, &[1]), (old, &[])], true),
        ([(old, &[]), (same_day, &[1])], true),
        // A revocation that the newer list removes.
        ([(old, &[1]), (new, &[])], false),
    ] {
        let mut site = Site::new();
        let authority = site.authority.copy();
        for (when, revoked) in lists {
            site.revoke_on(&authority, revoked, None, when);
        }
        assert_eq!(tls::load(&site.files, Timestamp::now()).unwrap().warnings, [""; 0]);
        for chain in both(&authority) {
            let refusal = site.refusal(&[chain], &key, VERSIONS[1]).await;
            let revoked = refusal.as_ref().is_some_and(|said| said.contains("is revoked"));
            assert_eq!((refusal.is_some(), revoked), (expected, expected), "{lists:?} {refusal:?}");
        }
    }

    // An authority with a new key: each key has a list, and rustls checks one list for both.
    let mut site = Site::new();
    let (authority, twin) = (site.authority.copy(), Authority::named("Falconer test authority"));
    fs::write(site.files.root_certs.as_ref().unwrap(), authority.pem.clone() + &twin.pem).unwrap();
    site.revoke_on(&twin, &[], None, new);
    site.revoke_on(&authority, &[], None, old);
    let warnings = tls::load(&site.files, Timestamp::now()).unwrap().warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    for file in ["ca.crt", "0.crl", "1.crl"] {
        assert!(warning.contains(file), "{file} in {warning}");
    }
    for (of, expected) in [(&twin, None), (&authority, Some("falconer.tls.crls"))] {
        let [v3, v1] = both(of);
        let refusal = site.refusal(&[v3], &key, VERSIONS[1]).await;
        assert_eq!(refusal.is_some(), expected.is_some(), "{refusal:?}");
        assert!(refusal.unwrap_or_default().contains(expected.unwrap_or_default()));
        // For version 1 each key's own list is used.
        assert_eq!(site.refusal(&[v1], &key, VERSIONS[1]).await, None);
    }
}

#[test]
fn the_clients_that_accept_a_certificate_are_predicted() {
    let site = Site::new();
    let (authority, dir) = (&site.authority, site.dir.path());
    let twin = Authority::named("Falconer test authority");
    let between = Authority::named("between");
    let uri = rcgen::SanType::URI("spiffe://example.org/x".try_into().unwrap());
    let mailbox = rcgen::SanType::Rfc822Name("a@example.org".try_into().unwrap());
    let write = |name: &str, der: &[Vec<u8>]| {
        let pem: String = der.iter().map(|der| certs::pem(der)).collect();
        fs::write(dir.join(name), pem).unwrap();
    };
    let key = KeyPair::generate().unwrap();
    let v3 = |names: &[&str], first: &[&rcgen::SanType], by: &Authority| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = certs::leaf("localhost", &names, Some(certs::SERVER));
        params.subject_alt_names.splice(0..0, first.iter().map(|name| (*name).clone()));
        params.signed_by(&key, &by.issuer()).unwrap().der().to_vec()
    };
    let v1 = |by: &Authority| Version1::new(&by.name(), &key).signed_by(&by.key);
    let middle = between.params.signed_by(&between.key, &authority.issuer()).unwrap();
    let old = {
        let mut params = authority.params.clone();
        params.not_after = rcgen::date_time_ymd(2025, 1, 1);
        params.self_signed(&authority.key).unwrap().der().to_vec()
    };
    let alone = certs::leaf("alone", &["localhost".to_owned()], Some(certs::SERVER))
        .self_signed(&key)
        .unwrap()
        .der()
        .to_vec();
    let ours = vec![authority.der().to_vec()];
    let files = TlsFiles::new(dir.join("server.key"), dir.join("chain"), dir.join("roots"));
    let host = &["localhost"][..];
    for (name, chain, roots, refusing) in [
        ("a host", vec![v3(host, &[], authority)], &ours, [false; 3]),
        ("a wildcard", vec![v3(&["*.example.org"], &[], authority)], &ours, [false; 3]),
        ("an address", vec![v3(&["2001:db8::7"], &[], authority)], &ours, [false; 3]),
        ("a URI first", vec![v3(host, &[&uri, &mailbox], authority)], &ours, [false; 3]),
        ("a URI only", vec![v3(&[], &[&uri], authority)], &ours, [true; 3]),
        ("no name but the common", vec![v3(&[], &[], authority)], &ours, [true, true, false]),
        ("version 1", vec![v1(authority)], &ours, [true, true, false]),
        ("version 1, another key", vec![v1(&twin)], &ours, [true; 3]),
        ("another key", vec![v3(host, &[], &twin)], &ours, [true; 3]),
        ("one between", vec![v3(host, &[], &between), middle.der().to_vec()], &ours, [false; 3]),
        ("none between", vec![v3(host, &[], &between)], &ours, [true; 3]),
        // rustls does not check the validity of a root.
        ("an old root", vec![v3(host, &[], authority)], &vec![old], [false, true, true]),
        ("itself", vec![alone.clone()], &vec![alone.clone()], [false; 3]),
        ("itself, not trusted", vec![alone], &ours, [true; 3]),
    ] {
        write("chain", &chain);
        write("roots", roots);
        let told = tls::audience(&files, Timestamp::now());
        let told = told.unwrap();
        let refused: Vec<_> = told.iter().map(|verdict| verdict.refused.is_some()).collect();
        assert_eq!(refused, refusing, "{name}: {told:?}");
        let openssl = Command::new("openssl")
            .current_dir(dir)
            .args(["verify", "-purpose", "sslserver", "-CAfile", "roots"])
            .args(["-untrusted", "chain", "chain"])
            .output()
            .unwrap();
        // OpenSSL is not asked to check names.
        let expected = !refusing[2] || name == "a URI only";
        assert_eq!(openssl.status.success(), expected, "{name}: {openssl:?}");
    }
}
