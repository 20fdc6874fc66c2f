# The image of the same program, read after its push
resource "app" "buildkit:index:Image" {
  context   = { location = "./app" }
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = ["registry.example.com/shop/app:1.4.2"]
}
pushed = invoke("buildkit:index:getImage", { ref = app.ref })
output "image" { value = pushed.repoDigest }
output "mediaType" { value = pushed.mediaType }
