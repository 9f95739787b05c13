//! The derive macro of the trait `kapacitor_guest::Options`.
//!
//! Use it through the crate [`kapacitor-guest`](https://docs.rs/kapacitor-guest), which documents the
//! trait and re-exports the macro.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Ident, Lit, LitStr, Result, parse_macro_input,
};

/// Implements `kapacitor_guest::Options` for a struct: each field is an option.
///
/// `#[option(name = "...")]` on a field sets the option's name, which is otherwise the field's, and
/// `#[option(default = ...)]` sets the value for a task that does not give the option. A default in quotes
/// is converted to the field's type.
#[proc_macro_derive(Options, attributes(option))]
pub fn options(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// The implementation of the trait.
///
/// The user's crate may define any names. So all paths start at a crate, methods are called through the
/// paths of their traits or types, and local variables have names of their own: a constant named like a
/// field would otherwise turn `let field = ...` into a pattern, and a field named `given` would hide the
/// parameter.
fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "Options can be derived for a struct only"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => {
            return Err(Error::new(input.span(), "the fields must have names: they name the options"));
        }
    };
    let local = |name: &str| Ident::new(name, Span::mixed_site());
    let (options, given) = (local("__kapacitor_options"), local("__kapacitor_given"));
    let mut describe = Vec::new();
    let mut read = Vec::new();
    let mut idents = Vec::new();
    let mut values = Vec::new();
    for (index, field) in fields.into_iter().enumerate() {
        let Attributes { name, default } = Attributes::of(field)?;
        let ty = &field.ty;
        describe.push(quote! {
            ::kapacitor_guest::options::Described::add::<#ty>(#options, #name);
        });
        let value = match default {
            // The type of a string literal is `&str`, and the field is usually a `String`.
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => quote! {
                ::kapacitor_guest::options::Given::take_or::<#ty>(
                    #given, #name, || ::core::convert::Into::into(#text),
                )
            },
            Some(default) => quote! {
                ::kapacitor_guest::options::Given::take_or::<#ty>(#given, #name, || #default)
            },
            None => quote! {
                ::kapacitor_guest::options::Given::take::<#ty>(#given, #name)
            },
        };
        let local = local(&format!("__kapacitor_value_{index}"));
        read.push(quote! { let #local = #value; });
        idents.push(field.ident.as_ref().expect("a named field"));
        values.push(local);
    }
    let name = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let construct = match &data.fields {
        Fields::Unit => quote! { Self },
        // All options are read before the first `?`, so that all problems are recorded.
        _ => quote! { Self { #(#idents: #values?),* } },
    };
    Ok(quote! {
        impl #generics ::kapacitor_guest::Options for #name #types #bounds {
            fn describe(#options: &mut ::kapacitor_guest::options::Described) {
                #(#describe)*
                let _ = #options;
            }

            fn read(
                #given: &mut ::kapacitor_guest::options::Given<'_>,
            ) -> ::core::option::Option<Self> {
                #(#read)*
                let _ = #given;
                ::core::option::Option::Some(#construct)
            }
        }
    })
}

/// The contents of `#[option(name = "...", default = ...)]`.
struct Attributes {
    name: String,
    default: Option<Expr>,
}

impl Attributes {
    fn of(field: &Field) -> Result<Self> {
        let ident = field.ident.as_ref().expect("a named field");
        let mut attributes = Self { name: ident.unraw().to_string(), default: None };
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("option")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    attributes.name = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("default") {
                    attributes.default = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("expected `name = \"…\"` or `default = …`"));
                }
                Ok(())
            })?;
        }
        Ok(attributes)
    }
}
