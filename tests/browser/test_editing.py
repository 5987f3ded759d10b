"""What the edit screen and the contract page offer beside the story: bounds, schedules, and what-if versions. Nothing is saved: the story finds the contract as it was."""

from pathlib import Path

from playwright.sync_api import Page, expect

from taximeter.demo.papers import Papers

PATIENCE_MS = 60_000


def test_a_minimum_and_a_commit_on_a_schedule_are_filled_in_and_previewed(page: Page, address: str, story: Papers, pictures: Path) -> None:
    # given the edit screen, when a minimum is filled in
    page.goto(f"{address}/contracts/{story.contract.id}/edit")
    page.get_by_role("button", name="Minimum", exact=True).click()
    page.get_by_label("Amount", exact=True).fill("80000")
    # then the text has it, among the terms too (it falls due with the end of the period, so no draft shows it)
    expect(page.locator(".cm-content")).to_contain_text("minimum:", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="minimum 80000")).to_be_visible()
    # when it is taken out again and a commit with two segments is filled in
    page.get_by_role("button", name="Remove this term").click()
    page.get_by_role("button", name="Commit on a schedule").click()
    page.get_by_label("Id", exact=True).fill("two-steps")
    for number, amount, day in ((1, "10000", "2025-10-01"), (2, "20000", "2025-11-01")):
        if number > 1:
            page.get_by_role("button", name="Add to available").click()
        page.get_by_label(f"Amount {number}", exact=True).first.fill(amount)
        page.get_by_label(f"From {number}", exact=True).fill(day)
    # then the text has both, and the preview what it covers
    expect(page.locator(".cm-content")).to_contain_text("2025-11-01", timeout=PATIENCE_MS)
    expect(page.locator("[data-after]").first).to_have_text("41,000.00", timeout=PATIENCE_MS)
    page.screenshot(path=pictures / "schedule.png", full_page=True)


def test_what_if_versions_are_kept_and_compared(page: Page, address: str, story: Papers, pictures: Path) -> None:
    contract = story.contract.id
    # given a discount that is kept as a what-if and not saved
    page.goto(f"{address}/contracts/{contract}/edit")
    page.get_by_role("button", name="Discounted price", exact=True).click()
    page.get_by_label("Multiplier", exact=True).fill("0.5")
    expect(page.locator(".cm-content")).to_contain_text("multiplier", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Keep as what-if").click()
    page.get_by_label("Name", exact=True).fill("half price")
    page.get_by_role("dialog").get_by_role("button", name="Keep", exact=True).click()
    # when it is compared with what was billed
    page.locator("[data-kept] a").click()
    # then October would have come to half, and no version was published
    expect(page.locator("[data-whatif='half price']")).to_contain_text("25,500.00", timeout=PATIENCE_MS)
    assert "whatif=half" in page.url
    page.screenshot(path=pictures / "whatif.png", full_page=True)
    # when its text is opened, then the editor goes on with it
    page.get_by_role("link", name="half price").click()
    expect(page.locator(".cm-content")).to_contain_text("multiplier", timeout=PATIENCE_MS)
    # when it is forgotten, then it is gone
    page.goto(f"{address}/contracts/{contract}")
    page.get_by_role("button", name="Forget half price").click()
    expect(page.get_by_role("button", name="Forget half price")).to_have_count(0, timeout=PATIENCE_MS)
