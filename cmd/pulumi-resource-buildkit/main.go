// Package main is a placeholder while the skeleton is laid.
package main

func main() {}
