# An image for two platforms, pushed to a registry
resource "app" "buildkit:index:Image" {
  context   = { location = "./app" }
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = ["registry.example.com/shop/app:latest"]
}
output "image" { value = app.repoDigest }
