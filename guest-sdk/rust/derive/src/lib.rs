//! The derive macro of the trait `kapacitor_guest::Options`.
//!
//! Use it through the crate [`kapacitor-guest`](https://docs.rs/kapacitor-guest), which documents the
//! trait and re-exports the macro.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Ident, Lit, LitStr, Meta, Result,
    parse_macro_input,
};

/// Implements `kapacitor_guest::Options` for a struct: each field is an option.
///
/// `#[option(name = "...")]` on a field sets the option's name, which is otherwise the field's, and
/// `#[option(default = ...)]` sets the value for a task that does not give the option. A default in quotes
/// is converted to the field's type. The documentation of a field describes a metric, and is not used for an option.
#[proc_macro_derive(Options, attributes(option))]
pub fn options(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    implementation(&input).into()
}

/// The implementation of the trait or, if there are mistakes, an error for each and an implementation that does
/// nothing: without one, each use of the struct as `Options` would be a further error.
fn implementation(input: &DeriveInput) -> TokenStream {
    expand(input).unwrap_or_else(|e| {
        let (errors, name) = (e.to_compile_error(), &input.ident);
        let (generics, types, bounds) = input.generics.split_for_impl();
        quote! {
            #errors

            impl #generics ::kapacitor_guest::Options for #name #types #bounds {
                fn describe(_: &mut ::kapacitor_guest::options::Described) {}

                fn read(_: &mut ::kapacitor_guest::options::Given<'_>) -> ::core::option::Option<Self> {
                    ::core::option::Option::None
                }
            }
        }
    })
}

/// The implementation of the trait.
///
/// The user's crate may define any names. So all paths start at a crate, methods are called through the
/// paths of their traits or types, and local variables have names of their own: a constant named like a
/// field would otherwise turn `let field = ...` into a pattern, and a field named `given` would hide the
/// parameter.
///
/// One function has all that names the type of a field. The compiler says once for each function that a type is no
/// option.
fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let local = |name: &str| Ident::new(name, Span::mixed_site());
    let (options, given) = (local("__kapacitor_options"), local("__kapacitor_given"));
    let step = local("__kapacitor_step");
    let mut describe = Vec::new();
    let mut read = Vec::new();
    let mut idents = Vec::new();
    let mut values = Vec::new();
    let mut mistakes: Option<Error> = None;
    for (index, field) in fields_of(input)?.into_iter().enumerate() {
        let Attributes { name, default } = match Attributes::of(field) {
            Ok(attributes) => attributes,
            Err(e) => {
                match &mut mistakes {
                    Some(mistakes) => mistakes.combine(e),
                    None => mistakes = Some(e),
                }
                continue;
            }
        };
        let ty = &field.ty;
        let help = documentation_of(field);
        describe.push(if help.is_empty() {
            quote! { ::kapacitor_guest::options::Described::add::<#ty>(#options, #name); }
        } else {
            quote! { ::kapacitor_guest::options::Described::add_documented::<#ty>(#options, #name, #help); }
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
    if let Some(mistakes) = mistakes {
        return Err(mistakes);
    }
    let name = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    // All options are read before the first `?`, so that all problems are recorded.
    let construct = quote! { Self { #(#idents: #values?),* } };
    let step_type = quote! {
        ::core::result::Result<
            &mut ::kapacitor_guest::options::Described,
            &mut ::kapacitor_guest::options::Given<'_>,
        >
    };
    Ok(quote! {
        const _: () = {
            trait __KapacitorOptions: ::core::marker::Sized {
                fn go_over(
                    step: #step_type,
                ) -> ::core::option::Option<Self>;
            }

            impl #generics __KapacitorOptions for #name #types #bounds {
                fn go_over(
                    #step: #step_type,
                ) -> ::core::option::Option<Self> {
                    match #step {
                        ::core::result::Result::Ok(#options) => {
                            #(#describe)*
                            let _ = #options;
                            ::core::option::Option::None
                        }
                        ::core::result::Result::Err(#given) => {
                            #(#read)*
                            let _ = #given;
                            ::core::option::Option::Some(#construct)
                        }
                    }
                }
            }

            impl #generics ::kapacitor_guest::Options for #name #types #bounds {
                fn describe(#options: &mut ::kapacitor_guest::options::Described) {
                    let _ = <Self as __KapacitorOptions>::go_over(::core::result::Result::Ok(#options));
                }

                fn read(
                    #given: &mut ::kapacitor_guest::options::Given<'_>,
                ) -> ::core::option::Option<Self> {
                    <Self as __KapacitorOptions>::go_over(::core::result::Result::Err(#given))
                }
            }
        };
    })
}

/// The fields of a struct, which are its options.
fn fields_of(input: &DeriveInput) -> Result<Vec<&Field>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "Options can be derived for a struct only"));
    };
    match &data.fields {
        Fields::Named(fields) => Ok(fields.named.iter().collect()),
        Fields::Unit => Ok(Vec::new()),
        Fields::Unnamed(_) => {
            Err(Error::new(input.span(), "the fields must have names: they name the options"))
        }
    }
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

/// The first paragraph of the documentation of a field, on one line.
fn documentation_of(field: &Field) -> String {
    let lines = field.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_paragraph_of_the_documentation_describes_a_field() {
        let input: DeriveInput = syn::parse_str(
            "struct A {
                /// Points that were
                ///   marked.
                ///
                /// More of them.
                a: Counter,
                b: Counter,
            }",
        )
        .unwrap();
        let described: Vec<_> = fields_of(&input).unwrap().into_iter().map(documentation_of).collect();
        assert_eq!(described, ["Points that were marked.", ""]);
    }

    #[test]
    fn each_mistake_is_one_error_and_makes_no_others() {
        for (source, mistakes) in [
            ("struct A { a: i64, #[option(default = 1)] b: i64 }", 0),
            ("struct A;", 0),
            ("struct A { #[option(nme = \"x\")] a: i64 }", 1),
            ("struct A { #[option(nme = \"x\")] a: i64, b: i64, #[option(default)] c: i64 }", 2),
            ("struct A<T: Clone>(T);", 1),
            ("enum A { B }", 1),
        ] {
            let expanded = implementation(&syn::parse_str(source).unwrap()).to_string();
            assert_eq!(expanded.matches("compile_error").count(), mistakes, "{expanded}");
            assert_eq!(expanded.matches(":: kapacitor_guest :: Options for A").count(), 1, "{expanded}");
        }
    }
}
