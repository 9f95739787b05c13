//! `derive(Options)` for plugins; documented in `kapacitor_guest::Options`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Lit, LitStr, Result, parse_macro_input};

/// See `kapacitor_guest::Options`.
#[proc_macro_derive(Options, attributes(option))]
pub fn options(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

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
    let mut describe = Vec::new();
    let mut read = Vec::new();
    let mut idents = Vec::new();
    for field in fields {
        let Attributes { name, default } = Attributes::of(field)?;
        let ty = &field.ty;
        let ident = field.ident.as_ref().expect("a named field");
        describe.push(quote! { options.add::<#ty>(#name); });
        let value = match default {
            // A text in quotes is a `&str`, and what is wanted a `String`.
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
                quote! { given.take_or::<#ty>(#name, || ::core::convert::Into::into(#text)) }
            }
            Some(default) => quote! { given.take_or::<#ty>(#name, || #default) },
            None => quote! { given.take::<#ty>(#name) },
        };
        read.push(quote! { let #ident = #value; });
        idents.push(ident);
    }
    let name = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let construct = match &data.fields {
        Fields::Unit => quote! { Self },
        _ => quote! { Self { #(#idents),* } },
    };
    Ok(quote! {
        impl #generics ::kapacitor_guest::Options for #name #types #bounds {
            fn describe(options: &mut ::kapacitor_guest::options::Described) {
                #(#describe)*
                let _ = options;
            }

            fn read(
                given: &mut ::kapacitor_guest::options::Given<'_>,
            ) -> ::core::option::Option<Self> {
                #(#read)*
                let _ = given;
                #(let #idents = #idents?;)*
                ::core::option::Option::Some(#construct)
            }
        }
    })
}

/// `#[option(name = "…", default = …)]`
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
