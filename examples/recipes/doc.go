// Package recipes points each tool at the witness. docs/recipes.md quotes its
// functions, and its tests run them.
package recipes
