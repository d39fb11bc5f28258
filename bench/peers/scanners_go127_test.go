//go:build go1.27

package peers

const scanners = true
