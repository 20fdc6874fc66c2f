# Images that two machines have built, under one tag
resource "app" "buildkit:index:Index" {
  tag     = "registry.example.com/shop/app:1.4.2"
  sources = ["registry.example.com/shop/app:1.4.2-amd64", "registry.example.com/shop/app:1.4.2-arm64"]
}
output "image" { value = app.repoDigest }
