//! Tests the parser with certificates of every kind.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

use super::x509::{Certificate, Malformed, RevocationList, SERVER_AUTH, Version, common_name};

fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "ours");
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn read(der: &[u8]) -> Certificate<'_> {
    Certificate::read(der).unwrap()
}

#[test]
fn fields_are_found() {
    let der = made(|params| {
        params.not_before = rcgen::date_time_ymd(2025, 1, 2);
        params.not_after = rcgen::date_time_ymd(2055, 1, 2);
        params.serial_number = Some(rcgen::SerialNumber::from(0x1234));
    });
    let certificate = read(&der);
    assert_eq!(certificate.version, Version::V3);
    assert_eq!(certificate.serial, [0x12, 0x34]);
    assert_eq!(certificate.not_before.to_string(), "2025-01-02T00:00:00Z");
    assert_eq!(certificate.not_after.to_string(), "2055-01-02T00:00:00Z");
    assert_eq!(certificate.inner_algorithm, certificate.signed.algorithm);
    assert!(certificate.is_self_issued() && !certificate.has_alternative_names());
    assert_eq!((certificate.common_name(), certificate.alternative_name()), (None, None));
}

#[test]
fn the_latest_time_is_read() {
    let der = made(|params| params.not_after = rcgen::date_time_ymd(9999, 12, 31));
    assert_eq!(read(&der).not_after, Timestamp::MAX);
}

#[test]
fn authorities_and_purposes_are_recognised() {
    for (is_ca, expected) in [
        (IsCa::NoCa, false),
        (IsCa::ExplicitNoCa, false),
        (IsCa::Ca(BasicConstraints::Unconstrained), true),
        (IsCa::Ca(BasicConstraints::Constrained(1)), true),
    ] {
        let der = made(|params| params.is_ca = is_ca);
        assert_eq!(read(&der).is_authority(), expected, "{is_ca:?}");
    }
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (is_ca, usages, expected) in [
        (ca, vec![KeyUsagePurpose::KeyCertSign], true),
        (ca, vec![KeyUsagePurpose::CrlSign], false),
        (IsCa::NoCa, vec![KeyUsagePurpose::DigitalSignature], false),
        (IsCa::NoCa, vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign], true),
        (IsCa::ExplicitNoCa, vec![KeyUsagePurpose::KeyCertSign], false),
    ] {
        let der = made(|params| {
            params.is_ca = is_ca;
            params.key_usages = usages.clone();
        });
        assert_eq!(read(&der).is_authority(), expected, "{is_ca:?} {usages:?}");
    }
    for (purposes, expected) in [
        (vec![], true),
        (vec![ExtendedKeyUsagePurpose::ClientAuth], false),
        (vec![ExtendedKeyUsagePurpose::Any], true),
        (vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth], true),
    ] {
        let der = made(|params| params.extended_key_usages = purposes.clone());
        assert_eq!(read(&der).is_for(SERVER_AUTH), expected, "{purposes:?}");
    }
}

#[test]
fn names_are_read_in_every_string_type() {
    let wide = rcgen::string::BmpString::try_from("Zo\u{eb}").unwrap();
    for name in [DnValue::Utf8String("Zo\u{eb}".to_owned()), DnValue::BmpString(wide)] {
        let der = made(|params| {
            params.distinguished_name.push(DnType::CommonName, name.clone());
        });
        assert_eq!(read(&der).common_name().as_deref(), Some("Zo\u{eb}"), "{name:?}");
        assert_eq!(common_name(read(&der).issuer), Ok(Some("Zo\u{eb}".to_owned())));
    }
}

#[test]
fn truncated_or_trailing_bytes_are_malformed() {
    let der = made(|_| {});
    for length in 0..der.len() {
        assert_eq!(Certificate::read(&der[..length]).err(), Some(Malformed), "{length}");
    }
    let longer = [&der[..], &[0]].concat();
    assert_eq!(Certificate::read(&longer).err(), Some(Malformed));
    assert_eq!(RevocationList::read(&der).err(), Some(Malformed));
    // An explicit version 1, which DER does not allow.
    let at = der.windows(5).position(|bytes| bytes == [0xa0, 3, 2, 1, 2]).unwrap();
    let mut version_1 = der.clone();
    version_1[at + 4] = 0;
    assert_eq!(Certificate::read(&version_1).err(), Some(Malformed));
}
