//! Snapshots are unchanged by serialization and deserialization.
//!
//! [`Random`] generates a value of any type that can be deserialized, so all fields of all types are
//! covered, including those that are added later.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Debug;

use asynctop_snapshot::{FieldId, Histogram, Snapshot, Subscription};
use proptest::{prelude::*, test_runner::TestRng};
use serde::{
    Serialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess,
        VariantAccess, Visitor, value::Error,
    },
};

/// Deserializes random data.
struct Random<'a>(&'a mut TestRng);

/// The remaining elements of a sequence, with their number.
struct Elements<'a>(&'a mut TestRng, usize);

const MAX_ELEMENTS: usize = 3;

macro_rules! number {
    ($($method:ident $visit:ident $number:ty,)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.0.next_u64() as $number)
        })+
    };
}

impl<'de> Deserializer<'de> for Random<'_> {
    type Error = Error;

    number! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("a type that is not in a snapshot"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.0.next_u64().is_multiple_of(2))
    }

    /// Multiples of 1/8, which their decimal form represents exactly.
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64((self.0.next_u64() % 1000) as f64 / 8.0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let texts = ["", "conn-7", "src/main.rs:7", "größer \"as\" é\u{7}\n\u{2028}", "👨‍👩‍👧"];
        visitor.visit_str(texts[self.0.next_u64() as usize % texts.len()])
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.next_u64() % 2 {
            0 => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let length = self.0.next_u64() as usize % (MAX_ELEMENTS + 1);
        visitor.visit_seq(Elements(self.0, length))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements(self.0, n))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name != "Sparse" {
            return visitor.visit_seq(Elements(self.0, fields.len()));
        }
        // The indices of buckets must be valid.
        let mut number = |below: u64| self.0.next_u64() % below;
        let histogram = serde_json::json!({
            "counts": [[number(30), 1 + number(9)], [30 + number(9), 1]],
            "overflow": number(9),
            "overflow_from": number(40),
            "max": number(u64::MAX),
        });
        histogram.deserialize_struct(name, fields, visitor).map_err(serde::de::Error::custom)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let at = self.0.next_u64() as usize % variants.len();
        visitor.visit_enum(Variant(self.0, at as u32))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// As for binary formats, so that an address is a sequence of bytes.
    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        i8 i16 f32 char bytes byte_buf unit unit_struct tuple_struct map identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.1.checked_sub(1) else { return Ok(None) };
        self.1 = left;
        seed.deserialize(Random(self.0)).map(Some)
    }
}

/// The variant of an enum with this index.
struct Variant<'a>(&'a mut TestRng, u32);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((seed.deserialize(self.1.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Random(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements(self.0, n))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements(self.0, fields.len()))
    }
}

/// Any value of a type.
fn any<T: DeserializeOwned + Debug>() -> impl Strategy<Value = T> {
    Just(()).prop_perturb(|(), mut rng| T::deserialize(Random(&mut rng)).unwrap())
}

fn read_back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn snapshot_round_trips(snapshot in any::<Snapshot>()) {
        prop_assert_eq!(format!("{:?}", read_back(&snapshot)), format!("{snapshot:?}"));
    }

    #[test]
    fn subscription_round_trips(subscription in any::<Subscription>()) {
        prop_assert_eq!(read_back(&subscription), subscription);
    }
}

#[test]
fn histogram_with_an_invalid_bucket_is_an_error() {
    let read = |text| serde_json::from_str::<Histogram>(text).map_err(|error| error.to_string());
    let invalid = read(r#"{"counts": [[4000, 1]], "overflow": 0, "overflow_from": 0, "max": 0}"#);
    assert!(invalid.unwrap_err().contains("no bucket 4000"));
    let invalid = read(r#"{"counts": [], "overflow": 1, "overflow_from": 4000, "max": 0}"#);
    assert!(invalid.unwrap_err().contains("no bucket 4000"));
}

#[test]
fn field_id_serializes_as_its_path() {
    for field in FieldId::ALL {
        assert_eq!(serde_json::to_value(field).unwrap(), field.path());
    }
}
