"""Start the Space: serve the model that HF_CF_MODEL names, in a browser and to programs."""

from hf_cf.space.loading import load_service
from hf_cf.space.serving import serve, space

app = space(load_service())

if __name__ == "__main__":
    serve(app)
