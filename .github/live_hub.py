"""Publish a model of the sample to a new private repository, load it back, compare, delete it.

``python .github/live_hub.py OWNER/NAME`` with the token of an account for tests in ``HF_TOKEN``.
"""

import sys

import numpy as np
from huggingface_hub import HfApi

import hf_cf
from hf_cf.training import fit

repo_id = sys.argv[1]
api = HfApi()
if api.repo_exists(repo_id):
    sys.exit(f"{repo_id} is there already: name a repository that may be deleted")
train, valid = hf_cf.load_ratings("sample").split(seed=42)
rec = fit(train, valid, model="als", epochs=1, progress=False)
try:
    rec.push_to_hub(repo_id, private=True)
    back = hf_cf.Recommender.from_pretrained(repo_id)
    items = rec.items.ids[:50]
    users = rec.users.ids[:50]
    np.testing.assert_allclose(back.predict(users, items), rec.predict(users, items), atol=1e-5)
    assert back.recommend(user=users[0]).equals(rec.recommend(user=users[0]))
    print(f"{repo_id}: {', '.join(sorted(api.list_repo_files(repo_id)))}")
finally:
    api.delete_repo(repo_id, missing_ok=True)
