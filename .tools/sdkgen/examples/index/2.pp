# An image that goes from one registry to another
resource "app" "buildkit:index:Index" {
  tag         = "registry.example.com/production/app:1.4.2"
  sources     = ["staging.example.com/shop/app:1.4.2"]
  platforms   = ["linux/amd64", "linux/arm64"]
  annotations = { "org.opencontainers.image.source" = "https://github.com/acme/shop" }
}
output "image" { value = app.repoDigest }
