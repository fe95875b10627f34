//! Certificates for tests: a folder of PEM files that every client accepts, and single certificates
//! of any version with any fault.
#![allow(dead_code, reason = "each integration test and the benchmark use their part")]

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SigningKey as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// An authority that signs with ECDSA on P-256.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    pub(crate) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// Returns a copy of the authority, with the same key.
    pub(crate) fn copy(&self) -> Self {
        Self {
            params: self.params.clone(),
            key: KeyPair::from_pem(&self.key.serialize_pem()).unwrap(),
            pem: self.pem.clone(),
        }
    }

    /// The DER encoding of its certificate.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }

    /// Its name, with tag and length.
    pub(crate) fn name(&self) -> Vec<u8> {
        common_name(match self.params.distinguished_name.get(&DnType::CommonName) {
            Some(rcgen::DnValue::Utf8String(name)) => name,
            other => panic!("{other:?}"),
        })
    }

    /// Writes a leaf's certificate and key.
    pub(crate) fn write_leaf(&self, dir: &Path, name: &str, params: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
        write_key(&dir.join(format!("{name}.key")), &key);
    }
}

/// Writes a key that only its owner may read.
pub(crate) fn write_key(path: &Path, key: &KeyPair) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, key.serialize_pem()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Writes `ca.crt`, `server.crt`, `server.key`, `client.crt`, `client.key` into `dir`: X.509 v3
/// with the names and key usages that every client requires. Returns the authority.
pub(crate) fn write(dir: &Path) -> Authority {
    let authority = Authority::named("Falconer test authority");
    fs::write(dir.join("ca.crt"), &authority.pem).unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    authority.write_leaf(dir, "server", &leaf("server", &names, Some(SERVER)));
    authority.write_leaf(dir, "client", &leaf("client", &[], Some(CLIENT)));
    authority
}

pub(crate) const SERVER: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ServerAuth;
pub(crate) const CLIENT: ExtendedKeyUsagePurpose = ExtendedKeyUsagePurpose::ClientAuth;

/// The parameters of a leaf certificate.
pub(crate) fn leaf(
    name: &str,
    alternative_names: &[String],
    purpose: Option<ExtendedKeyUsagePurpose>,
) -> CertificateParams {
    let mut params = named(name, alternative_names);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = purpose.into_iter().collect();
    params.use_authority_key_identifier_extension = true;
    params
}

fn named(common_name: &str, alternative_names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(alternative_names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// The parts of a version 1 certificate that a test can make wrong.
pub(crate) struct Version1 {
    pub(crate) serial: u8,
    /// The issuer's name, with tag and length.
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    /// UTCTime, such as `250101000000Z`.
    pub(crate) validity: [&'static str; 2],
    /// The subject's public key.
    pub(crate) key: Vec<u8>,
    /// The algorithm inside the signed part.
    pub(crate) inner_algorithm: Vec<u8>,
    /// Bytes after the key.
    pub(crate) more: Vec<u8>,
}

/// ECDSA with SHA-256 and with SHA-1 (RFC 5758 section 3.2, RFC 3279 section 2.2.3).
pub(crate) const SHA_256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub(crate) const SHA_1: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];

impl Version1 {
    /// A certificate without a fault, from an issuer for a key.
    pub(crate) fn new(issuer: &[u8], key: &KeyPair) -> Self {
        Self {
            serial: 1,
            issuer: issuer.to_vec(),
            subject: common_name("client"),
            validity: ["250101000000Z", "490101000000Z"],
            key: key.subject_public_key_info(),
            inner_algorithm: sequence(&[&SHA_256]),
            more: Vec::new(),
        }
    }

    /// The part that is signed.
    pub(crate) fn signed_part(&self) -> Vec<u8> {
        let [from, to] = self.validity.map(|time| tlv(0x17, time.as_bytes()));
        sequence(&[
            &tlv(2, &[self.serial]),
            &self.inner_algorithm,
            &self.issuer,
            &sequence(&[&from, &to]),
            &self.subject,
            &self.key,
            &self.more,
        ])
    }

    /// The certificate, signed with SHA-256.
    pub(crate) fn signed_by(&self, key: &KeyPair) -> Vec<u8> {
        let part = self.signed_part();
        let signature = key.sign(&part).unwrap();
        assemble(&part, &SHA_256, &signature)
    }

    /// The certificate, signed with SHA-1 by OpenSSL.
    pub(crate) fn signed_with_sha_1(&self, key: &KeyPair) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let part = self.signed_part();
        fs::write(dir.path().join("part"), &part).unwrap();
        write_key(&dir.path().join("key"), key);
        let output = Command::new("openssl")
            .current_dir(dir.path())
            .args(["dgst", "-sha1", "-sign", "key", "part"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assemble(&part, &SHA_1, &output.stdout)
    }
}

/// Assembles a certificate from its signed part, algorithm and signature.
pub(crate) fn assemble(part: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    let signature = tlv(3, &[&[0][..], signature].concat());
    sequence(&[part, &sequence(&[algorithm]), &signature])
}

/// A name with only a common name.
pub(crate) fn common_name(name: &str) -> Vec<u8> {
    let pair = sequence(&[&tlv(6, &[0x55, 4, 3]), &tlv(12, name.as_bytes())]);
    sequence(&[&tlv(0x31, &pair)])
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// A value with its tag and length.
pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let mut head = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => head.push(short),
        Ok(long) => head.extend([0x81, long]),
        Err(_) => {
            head.push(0x82);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    [head.as_slice(), value].concat()
}

/// A certificate in PEM.
pub(crate) fn pem(der: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("der"), der).unwrap();
    let output = Command::new("openssl")
        .current_dir(dir.path())
        .args(["x509", "-inform", "der", "-in", "der"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
